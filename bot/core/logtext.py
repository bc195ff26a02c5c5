"""A builder's log records as text for people. Everything in them is hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.builds import LogLine

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, hyperlinks
    r"|[@-Z\\-_])"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line to show. `kind`: log, phase or note; `at`: seconds since the epoch."""

    n: int
    kind: str
    text: str
    at: float


def read_line(record: str) -> Line | None:
    """None for records that are not for people, and for what is no record."""
    try:
        document = json.loads(record)
        n, at = int(document["n"]), float(document.get("t") or 0.0)
        kind = document.get("k")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    match kind:
        case "log" | "note":
            step = document.get("s")
            prefix = f"[{step}] " if step and kind == "log" else ""
            return Line(n, kind, plain(prefix + str(document.get("x") or "")), at)
        case "phase" if document.get("state") == "start":
            return Line(n, "phase", plain(str(document.get("name") or "")), at)
        case _:
            return None


def lost_lines(first: int, last: int) -> LogLine:
    """A note in place of those. It has the number of the last: who reads on from there, after a
    restart, finds no gap to tell of once more."""
    count = last - first + 1
    what = "1 line was lost" if count == 1 else f"{count} lines were lost"
    text = f"{what} (log rotation on the node: containerLogMaxSize of its kubelet)"
    return LogLine(last, json.dumps({"n": last, "k": "note", "x": text}))


def plain(text: str) -> str:
    """Without terminal sequences; other control characters, and those that turn the direction of
    text around, are shown as what they are."""
    cleaned = _ESCAPES.sub("", text).replace("\t", "    ").rstrip("\r\n")
    # A progress bar: what a terminal would show in the end is behind the last return.
    cleaned = cleaned.rpartition("\r")[2]
    return "".join(c if c.isprintable() or c == " " else f"\\u{ord(c):04x}" for c in cleaned)


def log_texts(records: Sequence[str]) -> list[str]:
    """A builder's records as lines for a terminal; control characters are shown, not sent."""
    found = (read_line(record) for record in records)
    return [f"== {one.text}" if one.kind == "phase" else one.text for one in found if one]
