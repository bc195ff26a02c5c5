"""The builder's result document (`docs/builder.md`), read by every executor in one way."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bot.core.builds import BuilderResult, CacheUse, OutcomeClass, Place
from bot.core.ids import Digest

_LINES = 1_000_000
"""Of a Dockerfile; a place beyond is none."""


def read_result(text: str | bytes) -> BuilderResult | None:
    """None for what the builder can not have written: nothing, a part of it, something else."""
    try:
        document = json.loads(text)
        return parse_result(document) if isinstance(document, dict) else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def parse_result(document: Mapping[str, object]) -> BuilderResult:
    """Raises KeyError, TypeError or ValueError for what the builder can not have written."""
    line = document.get("line")
    cache = document.get("cache")
    phases = document.get("phases")
    warnings = document.get("warnings")
    digest = _text(document, "digest")
    return BuilderResult(
        outcome=OutcomeClass(str(document["class"])),
        message=str(document.get("message") or ""),
        digest=Digest(digest) if digest else None,
        size_bytes=_number(document, "size_bytes"),
        place=_place(line) if isinstance(line, Mapping) else None,
        phases=_phases(phases) if isinstance(phases, Mapping) else {},
        cache=_cache(cache) if isinstance(cache, Mapping) else CacheUse(),
        client=_text(document, "client") or "",
        daemon=_text(document, "daemon") or "",
        tree=_text(document, "tree"),
        warnings=tuple(str(w) for w in warnings) if isinstance(warnings, list) else (),
    )


def _text(document: Mapping[str, object], key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) else None


def _number(document: Mapping[str, object], key: str) -> int | None:
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _phases(document: Mapping[str, object]) -> dict[str, float]:
    return {str(k): float(v) for k, v in document.items() if isinstance(v, int | float)}


def _place(document: Mapping[str, object]) -> Place | None:
    file, line = _text(document, "file"), _number(document, "line")
    if file is None or line is None or not 1 <= line <= _LINES:
        return None
    return Place(file, line, _text(document, "instruction") or "")


def _cache(document: Mapping[str, object]) -> CacheUse:
    return CacheUse(
        hits=_number(document, "hits"),
        steps=_number(document, "steps"),
        pulled_bytes=_number(document, "pulled_bytes"),
        first_miss=_text(document, "first_miss"),
        candidates=_number(document, "candidates") or 0,
        found=_number(document, "found") or 0,
        why=_text(document, "why"),
        rerun_stages=_text(document, "rerun_stages"),
        rerun_seconds=_seconds(document, "rerun_seconds"),
    )


def _seconds(document: Mapping[str, object], key: str) -> float | None:
    value = document.get(key)
    return float(value) if isinstance(value, int | float) else None
