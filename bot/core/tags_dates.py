"""Dates as moment.js writes them (https://momentjs.com/docs/#/displaying/format/), in English."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import MAXYEAR, UTC, date, datetime, tzinfo
from typing import Final

ISO: Final = "YYYY-MM-DDTHH:mm:ssZ"
"""What moment writes without a format; in UTC the zone is `Z`."""

_LONG = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "LLL": "MMMM D, YYYY h:mm A",
    "LL": "MMMM D, YYYY",
    "L": "MM/DD/YYYY",
    "llll": "ddd, MMM D, YYYY h:mm A",
    "lll": "MMM D, YYYY h:mm A",
    "ll": "MMM D, YYYY",
    "l": "M/D/YYYY",
}
_LOCAL = re.compile(r"(\[[^\[]*\])|(\\)?(LTS|LT|LL?L?L?|l{1,4})")
_TOKEN = re.compile(
    r"(\[[^\[]*\])|(\\)?([Hh]mm(?:ss)?|Mo|MM?M?M?|Do|DDDo|DD?D?D?|ddd?d?|do?|w[o|w]?|W[o|W]?|Qo?"
    r"|N{1,5}|YYYYYY|YYYYY|YYYY|YY|y{2,4}|yo?|gg(?:ggg?)?|GG(?:GGG?)?|e|E|a|A|hh?|HH?|kk?|mm?"
    r"|ss?|S{1,9}|x|X|zz?|ZZ?|.)",
    re.DOTALL,
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]


def zone(name: str) -> tzinfo | None:
    """The IANA time zone of that name in any case, or None where this machine knows none."""
    from zoneinfo import ZoneInfo, available_timezones

    if name.upper() in ("UTC", "GMT", "ETC/UTC"):
        return UTC
    if not re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", name):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        lower = name.lower()
        known = next((full for full in available_timezones() if full.lower() == lower), None)
        return ZoneInfo(known) if known else None


def zones() -> set[str]:
    """The names of all time zones of this machine, for hints."""
    from zoneinfo import available_timezones

    return available_timezones()


def write(moment: datetime, pattern: str | None, where: tzinfo = UTC) -> str:
    """The moment in that zone under a moment.js pattern; None gives moment's own ISO form."""
    local = moment.astimezone(where)
    if pattern is None:
        text = write(moment, ISO, where)
        return text.removesuffix("+00:00") + "Z" if where is UTC else text
    expanded = _LOCAL.sub(lambda found: found[0] if found[2] else _expanded(found), pattern)
    return "".join(_piece(local, found[0], found[3]) for found in _TOKEN.finditer(expanded))


def _expanded(found: re.Match[str]) -> str:
    return found[1] or _LONG.get(found[3], found[3])


def _piece(local: datetime, whole: str, token: str | None) -> str:
    if token is None:
        return whole[1:-1]
    if whole[0] == "\\":
        return token if len(whole) > 1 else whole
    part = _PARTS.get(token)
    return part(local) if part else token


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if 10 < number % 100 < 14 else ends.get(number % 10, 'th')}"


def _offset(local: datetime, colon: str) -> str:
    offset = local.utcoffset()
    minutes = int(offset.total_seconds()) // 60 if offset else 0
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"


def _fraction(digits: int) -> Callable[[datetime], str]:
    return lambda local: f"{local.microsecond // 1000:03}".ljust(9, "0")[:digits]


def _day_of_year(local: datetime) -> int:
    return local.timetuple().tm_yday


def _weekday(local: datetime) -> int:
    return local.isoweekday() % 7


def _quarter(local: datetime) -> int:
    return (local.month + 2) // 3


def _hour12(local: datetime) -> int:
    return local.hour % 12 or 12


def _english_week(local: datetime) -> tuple[int, int]:
    """Year and week: weeks begin on Sunday, week 1 holds 1 January, as moment's English has it."""
    saturday = local.date().toordinal() + 6 - _weekday(local)
    year = local.year
    if year < MAXYEAR and saturday >= date(year + 1, 1, 1).toordinal():
        return year + 1, 1
    first = date(year, 1, 1)
    week = (local.date() - first).days + (first.isoweekday() % 7)
    return year, week // 7 + 1


_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "YYYY": lambda d: f"{d.year:04}",
    "YYYYY": lambda d: f"{d.year:05}",
    "YYYYYY": lambda d: f"+{d.year:06}",
    "YY": lambda d: f"{d.year % 100:02}",
    "y": lambda d: f"{d.year}",
    "yo": lambda d: _ordinal(d.year),
    "yy": lambda d: f"{d.year:02}",
    "yyy": lambda d: f"{d.year:03}",
    "yyyy": lambda d: f"{d.year:04}",
    "N": lambda _: "AD",
    "NN": lambda _: "AD",
    "NNN": lambda _: "AD",
    "NNNN": lambda _: "Anno Domini",
    "NNNNN": lambda _: "AD",
    "Q": lambda d: f"{_quarter(d)}",
    "Qo": lambda d: _ordinal(_quarter(d)),
    "M": lambda d: f"{d.month}",
    "MM": lambda d: f"{d.month:02}",
    "Mo": lambda d: _ordinal(d.month),
    "MMM": lambda d: _MONTHS[d.month - 1][:3],
    "MMMM": lambda d: _MONTHS[d.month - 1],
    "w": lambda d: f"{_english_week(d)[1]}",
    "ww": lambda d: f"{_english_week(d)[1]:02}",
    "wo": lambda d: _ordinal(_english_week(d)[1]),
    "gg": lambda d: f"{_english_week(d)[0] % 100:02}",
    "gggg": lambda d: f"{_english_week(d)[0]:04}",
    "ggggg": lambda d: f"{_english_week(d)[0]:05}",
    "W": lambda d: f"{d.isocalendar().week}",
    "WW": lambda d: f"{d.isocalendar().week:02}",
    "Wo": lambda d: _ordinal(d.isocalendar().week),
    "GG": lambda d: f"{d.isocalendar().year % 100:02}",
    "GGGG": lambda d: f"{d.isocalendar().year:04}",
    "GGGGG": lambda d: f"{d.isocalendar().year:05}",
    "D": lambda d: f"{d.day}",
    "DD": lambda d: f"{d.day:02}",
    "Do": lambda d: _ordinal(d.day),
    "DDD": lambda d: f"{_day_of_year(d)}",
    "DDDD": lambda d: f"{_day_of_year(d):03}",
    "DDDo": lambda d: _ordinal(_day_of_year(d)),
    "d": lambda d: f"{_weekday(d)}",
    "e": lambda d: f"{_weekday(d)}",
    "E": lambda d: f"{d.isoweekday()}",
    "do": lambda d: _ordinal(_weekday(d)),
    "dd": lambda d: _DAYS[_weekday(d)][:2],
    "ddd": lambda d: _DAYS[_weekday(d)][:3],
    "dddd": lambda d: _DAYS[_weekday(d)],
    "H": lambda d: f"{d.hour}",
    "HH": lambda d: f"{d.hour:02}",
    "h": lambda d: f"{_hour12(d)}",
    "hh": lambda d: f"{_hour12(d):02}",
    "k": lambda d: f"{d.hour or 24}",
    "kk": lambda d: f"{d.hour or 24:02}",
    "hmm": lambda d: f"{_hour12(d)}{d:%M}",
    "hmmss": lambda d: f"{_hour12(d)}{d:%M%S}",
    "Hmm": lambda d: f"{d.hour}{d:%M}",
    "Hmmss": lambda d: f"{d.hour}{d:%M%S}",
    "a": lambda d: "am" if d.hour < 12 else "pm",
    "A": lambda d: "AM" if d.hour < 12 else "PM",
    "m": lambda d: f"{d.minute}",
    "mm": lambda d: f"{d.minute:02}",
    "s": lambda d: f"{d.second}",
    "ss": lambda d: f"{d.second:02}",
    **{"S" * digits: _fraction(digits) for digits in range(1, 10)},
    "X": lambda d: f"{int(d.timestamp())}",
    "x": lambda d: f"{int(d.timestamp() * 1000)}",
    "Z": lambda d: _offset(d, ":"),
    "ZZ": lambda d: _offset(d, ""),
    "z": lambda d: d.tzname() or "",
    "zz": lambda d: d.tzname() or "",
}
