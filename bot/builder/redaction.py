"""Secrets by value out of a byte stream, however it is cut into chunks.

The main defence is that a secret isn't there (files with the least scope and a short life); this
one catches accidents. What is found: the value, each of its lines, and its base64 (any
alignment), URL-encoded and JSON-escaped forms.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MARK = b"[redacted]"
SHORTEST = 8
"""Shorter values occur by chance: hiding them would ruin the log and tell their length."""


def forms(value: bytes) -> set[bytes]:
    """All byte strings under which `value` is looked for; empty for values under SHORTEST."""
    value = value.strip()
    found: set[bytes] = set()
    for part in {value, *(line.strip() for line in value.splitlines())}:
        if len(part) < SHORTEST:
            continue
        text = part.decode("utf-8", "surrogateescape")
        found.add(part)
        found.update(_base64_cores(part))
        found.add(quote(part, safe="").encode())
        found.add(quote_plus(part).encode())
        found.add(quote(part).encode())
        for ascii_only in (True, False):
            escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            found.add(escaped.encode("utf-8", "surrogateescape"))
    return {form for form in found if len(form) >= SHORTEST}


def _base64_cores(part: bytes) -> set[bytes]:
    """For each alignment the characters that depend on `part` alone, in both alphabets."""
    cores = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + part)
        start = (offset * 8 + 5) // 6
        end = (offset + len(part)) * 8 // 6
        core = encoded[start:end]
        cores |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return cores


class Redactor:
    """One stream. `feed` returns what is safe to show, `flush` the rest at the stream's end."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self._patterns = sorted(patterns, key=len, reverse=True)
        self._regex = re.compile(b"|".join(map(re.escape, self._patterns)) or b"(?!)")
        self._held = b""

    def fresh(self) -> Redactor:
        """Another stream with the same secrets."""
        other = Redactor(())
        other._patterns, other._regex = self._patterns, self._regex
        return other

    def feed(self, chunk: bytes) -> bytes:
        if not self._patterns:
            return chunk
        data = self._held + chunk
        out, position = [], 0
        while True:
            hold = self._hold_from(data, position)
            match = self._regex.search(data, position)
            if match is None or match.start() >= hold:
                break
            out += [data[position : match.start()], MARK]
            position = match.end()
        out.append(data[position:hold])
        self._held = data[hold:]
        return b"".join(out)

    def flush(self) -> bytes:
        rest, self._held = self._held, b""
        return self._regex.sub(MARK, rest)

    def text(self, text: str) -> str:
        """A whole text at once: an error message, a step's name."""
        if not self._patterns:
            return text
        return self._regex.sub(MARK, text.encode("utf-8", "surrogateescape")).decode(
            "utf-8", "replace"
        )

    def _hold_from(self, data: bytes, start: int) -> int:
        """The first index from which `data` could be the beginning of a pattern that goes on."""
        first = len(data)
        for pattern in self._patterns:
            at = data.find(pattern[:1], max(start, len(data) - len(pattern) + 1), first)
            while at != -1:
                if pattern.startswith(data[at:]):
                    first = at
                    break
                at = data.find(pattern[:1], at + 1, first)
        return first
