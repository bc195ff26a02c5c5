"""`WWW-Authenticate`: what a registry asks for. Pure; takes any text and raises nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_LIMIT = 8192  # characters; longer headers are cut
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r'[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication scheme, lower-case, with its parameters (names lower-case)."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All challenges of one (or several, comma-joined) header values, in their order.

    A token followed by `=` is a parameter of the scheme before it, any other token begins a new
    scheme (https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1). What fits neither is skipped.
    """
    text = header[:_LIMIT]
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            at += 1
            continue
        at = token.end()
        value = _VALUE.match(text, at)
        if value is None:
            if text[at : at + 1] == "=":  # token68 padding or an unfinished value
                at += 1
                continue
            found.append((token[0].lower(), {}))
            continue
        at = value.end()
        if found:
            quoted = value[1]
            plain = _ESCAPE.sub(r"\1", quoted) if quoted is not None else value[2]
            found[-1][1].setdefault(token[0].lower(), plain)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)
