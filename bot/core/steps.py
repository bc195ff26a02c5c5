"""The steps of a build out of the builder's records, for pages and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepView:
    """`hit`: yes, no, unknown."""

    name: str
    line: int | None
    hit: str
    pulled_bytes: int | None
    seconds: float | None
    error: str


def steps_shown(records: Sequence[Mapping[str, object]]) -> tuple[StepView, ...]:
    """BuildKit tells of a step again and again: the last word on each counts. What has no line in
    the Dockerfile is shown only where it failed or took its time."""
    last = {record.get("id"): record for record in records}
    shown = [
        step
        for step in (_step(record) for record in last.values())
        if step.line is not None or step.error or (step.seconds or 0.0) >= 1.0
    ]
    return tuple(sorted(shown, key=lambda step: step.line or 0))


def _step(step: Mapping[str, object]) -> StepView:
    hit, line, pulled, seconds = (
        step.get(key) for key in ("hit", "line", "pulled_bytes", "seconds")
    )
    return StepView(
        name=str(step.get("name") or ""),
        line=line if isinstance(line, int) else None,
        hit="yes" if hit is True else "no" if hit is False else "unknown",
        pulled_bytes=pulled if isinstance(pulled, int) else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        error=str(step.get("error") or ""),
    )
