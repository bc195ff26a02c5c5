"""Reading of JSON that somebody else wrote: each field once, typed, with its path when it is wrong.

The codecs read a dozen fields of documents that have hundreds. Whatever they do not name may be
anything; what they name is checked here, so that no value of a wrong kind gets further.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from urllib.parse import parse_qsl

from bot.core.events import Ignored, Malformed, Parsed
from bot.core.ids import ZERO_SHA, RepositoryId, Sha

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PATH = re.compile(r"(?!\.{1,2}/)[\w.-]+(?:/(?!\.{1,2}(?:/|$))[\w.-]+)+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAME_BYTES = 1024
"""Git keeps a ref as a file path; nothing near this long can exist on a host's disk."""
_ID_MAX = 2**63 - 1


class Unreadable(Exception):
    """A field is missing or not what it must be. Never leaves `bot.hosts`."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object and the path that leads to it (`pull_request.head`)."""

    values: Mapping[str, object]
    where: str = ""

    def path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Whether the field is there with any value but null."""
        return self.values.get(name) is not None

    def wrong(self, name: str, expected: str) -> NoReturn:
        if name not in self.values:
            raise Unreadable(f"{expected} is missing", self.path(name))
        found = _kind(self.values[name])
        raise Unreadable(f"expected {expected}, found {found}", self.path(name))

    def inner(self, name: str) -> Fields:
        value = self.values.get(name)
        if not isinstance(value, dict):
            self.wrong(name, "an object")
        return Fields(value, self.path(name))

    def inner_or_none(self, name: str) -> Fields | None:
        """None where the field is missing or null: a deleted fork, a deleted account."""
        return self.inner(name) if self.has(name) else None

    def items(self, name: str) -> Iterator[Fields]:
        """The objects of a list; a missing or null list is empty, other members are wrong."""
        value = self.values.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.wrong(name, "a list")
        for number, item in enumerate(value):
            where = f"{self.path(name)}[{number}]"
            if not isinstance(item, dict):
                raise Unreadable(f"expected an object, found {_kind(item)}", where)
            yield Fields(item, where)

    def words(self, name: str) -> tuple[str, ...]:
        """The texts of a list; anything else in it is left out (it is for show only)."""
        value = self.values.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(_clean(word) for word in value if isinstance(word, str))

    def text(self, name: str) -> str:
        """A name: not empty, on one line, exactly as the host wrote it."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            self.wrong(name, "a text")
        if _CONTROL.search(value) or _SURROGATE.search(value):
            raise Unreadable(
                "the text holds control characters or half characters", self.path(name)
            )
        if len(value.encode()) > _NAME_BYTES:
            raise Unreadable(f"the text is longer than {_NAME_BYTES} bytes", self.path(name))
        return value

    def text_or_none(self, name: str) -> str | None:
        return self.text(name) if self.values.get(name) not in (None, "") else None

    def prose(self, name: str) -> str | None:
        """What a person wrote, any length; characters that a database refuses become U+FFFD."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "a text")
        return _clean(value)

    def shown(self, *path: str) -> str:
        """What is only shown, by its path: one line, at most 1,000 characters; what is no text is
        empty."""
        value: object = self.values
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(value, str):
            return ""
        line = " ".join(_clean(value[:4000]).split())
        return "".join(c for c in line if c.isprintable())[:1000]

    def moment(self, name: str) -> datetime | None:
        """An ISO 8601 time with its zone; None where there is none or it can't be read."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else None

    def seconds(self, name: str) -> float | None:
        """The same in seconds since the epoch. GitLab's hooks write `2026-11-25 10:00:00 UTC`."""
        value = self.values.get(name)
        if isinstance(value, str) and value.endswith(" UTC"):
            try:
                moment = datetime.fromisoformat(f"{value.removesuffix(' UTC')}+00:00")
            except ValueError:
                return None
            return moment.timestamp()
        found = self.moment(name)
        return None if found is None else found.timestamp()

    def number(self, name: str) -> int:
        """A positive id or number that fits 63 bits."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _ID_MAX:
            self.wrong(name, "a positive number")
        return value

    def number_or_none(self, name: str) -> int | None:
        return self.number(name) if self.has(name) else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(name, "true or false")
        return value

    def sha(self, name: str) -> Sha:
        """A full object id in lower-case hex, SHA-1 or SHA-256, not the zero id."""
        value = self.sha_or_zero(name)
        if value is None:
            raise Unreadable("the commit id is all zeros", self.path(name))
        return value

    def sha_or_zero(self, name: str) -> Sha | None:
        """None for the zero id, which hosts write for "there is none"."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _SHA.fullmatch(value):
            self.wrong(name, "a full commit id")
        return None if value in (ZERO_SHA, "0" * 64) else Sha(value)

    def sha_or_none(self, name: str) -> Sha | None:
        """None where the field is missing, null, empty or zero."""
        return self.sha_or_zero(name) if self.values.get(name) not in (None, "") else None

    def repository_id(self, name: str) -> RepositoryId:
        return RepositoryId(self.number(name))

    def repository_path(self, name: str) -> str:
        """`owner/name`, with groups between on GitLab. It becomes part of addresses and image
        names, so dots alone, blanks and the like are refused here."""
        value = self.text(name)
        if not _PATH.fullmatch(value):
            raise Unreadable("not the path of a repository", self.path(name))
        return value


def read(body: bytes, content_type: str, understand: Callable[[Fields], Parsed]) -> Parsed:
    """Decode a request body and hand its fields to `understand`.

    Total: whatever the bytes are, the answer is a value. JSON too deep for the parser and numbers
    too long for it are found by the parser's own limits (RecursionError, ValueError).
    """
    try:
        return understand(_document(body, content_type))
    except Unreadable as wrong:
        return Malformed(wrong.reason, wrong.where)


def _document(body: bytes, content_type: str) -> Fields:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"the body is not UTF-8 (byte {error.start})") from error
    if _media_type(content_type) == "application/x-www-form-urlencoded":
        text = _form_payload(text)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise Unreadable("the JSON is nested too deeply") from error
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {_brief(error)}") from error
    if not isinstance(value, dict):
        raise Unreadable(f"expected an object, found {_kind(value)}")
    return Fields(value)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _form_payload(text: str) -> str:
    """GitHub's form encoding: `payload=<JSON>`, the default of hooks made through its API."""
    try:
        fields = parse_qsl(text, max_num_fields=16, errors="strict")
    except ValueError as error:
        raise Unreadable(f"the form can not be decoded: {_brief(error)}") from error
    payloads = [value for name, value in fields if name == "payload"]
    if len(payloads) != 1:
        raise Unreadable(f"expected one form field named payload, found {len(payloads)}")
    return payloads[0]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _brief(error: Exception) -> str:
    """The parser's words without what it quotes from the body beyond a line."""
    return _clean(str(error)).splitlines()[0][:200] if str(error) else type(error).__name__


def _clean(text: str) -> str:
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return _SURROGATE.sub("\ufffd", text).replace("\x00", "\ufffd")


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "true or false", str: "a text", list: "a list"}
    if value == "":
        return "an empty text"
    return names.get(type(value), "an object" if isinstance(value, dict) else "a number")


def unused(what: str, action: str) -> Ignored:
    """The answer to a delivery of a known event with an action that tells nothing to build."""
    return Ignored(f"{what} {action[:80]!r} is not an action that leads to a build")
