"""The HTTP values that the front ends exchange with the server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

Json: TypeAlias = Any


@dataclass(slots=True)
class Asked:
    """One request as it came. `path` keeps its percent-encoding."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    base: str = ""

    @classmethod
    def of(cls, method: str, target: str, headers: dict[str, str], body: bytes) -> Asked:
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        return cls(method, parts.path, query, headers, body)

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[-1]

    def number(self, name: str, default: int) -> int:
        text = self.one(name)
        return int(text) if text.isdigit() else default

    def json(self) -> Json:
        try:
            return json.loads(self.body) if self.body else {}
        except ValueError as error:
            raise Refused(400, "Problems parsing JSON") from error


@dataclass(slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, value: Json, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
        content = [("Content-Type", "application/json; charset=utf-8"), *headers]
        return cls(status, json.dumps(value).encode(), content)


class Refused(Exception):
    """An error answer with the host's own words."""

    def __init__(self, status: int, message: Json, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = tuple(headers)


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern`: a template whose `{name}` is one path segment and `{name*}` any number."""

    method: str
    pattern: str
    handle: Callable[..., Answer]
    encoded: bool = False
    """Segments are matched as sent, so that an encoded slash stays inside one (GitLab)."""

    def match(self, method: str, path: str) -> dict[str, str] | None:
        if method != self.method:
            return None
        found = _expression(self.pattern).fullmatch(path)
        if found is None:
            return None
        return {
            name: unquote(value, errors="surrogateescape")
            for name, value in found.groupdict().items()
        }


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{\w+\*?\})", pattern)
    expression = ""
    for piece in pieces:
        if piece.endswith("*}"):
            expression += f"(?P<{piece[1:-2]}>.*)"
        elif piece.startswith("{"):
            expression += f"(?P<{piece[1:-1]}>[^/]+)"
        else:
            expression += re.escape(piece)
    return re.compile(expression)


def page(asked: Asked, items: Sequence[Json]) -> list[Json]:
    """The page that was asked for: 30 to a page as at GitHub; GitLab's front end passes 20."""
    size = min(100, max(1, asked.number("per_page", 30)))
    first = (max(1, asked.number("page", 1)) - 1) * size
    return list(items[first : first + size])
