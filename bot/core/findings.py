"""What `pushwright doctor` found out: one value for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """`UNKNOWN`: it can't be told from here, and the text says why; it fails nothing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is the part that was looked at (`github`, `ghcr.io`, `cluster`), `check` what of
    it; `found` what is there, `remedy` what to do, empty where there is nothing to do."""

    subject: str
    check: str
    result: Result
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Findings of one subject and check."""

    subject: str
    check: str

    def ok(self, found: str) -> Finding:
        return Finding(self.subject, self.check, Result.OK, found)

    def warn(self, found: str, remedy: str) -> Finding:
        return Finding(self.subject, self.check, Result.WARN, found, remedy)

    def fail(self, found: str, remedy: str) -> Finding:
        return Finding(self.subject, self.check, Result.FAIL, found, remedy)

    def unknown(self, found: str, remedy: str = "") -> Finding:
        return Finding(self.subject, self.check, Result.UNKNOWN, found, remedy)


def code_of(findings: Iterable[Finding]) -> int:
    """The exit code: 1 where something fails, else 0."""
    return int(any(one.result is Result.FAIL for one in findings))


def document(findings: Iterable[Finding]) -> Mapping[str, Any]:
    """What `pushwright doctor --json` prints."""
    rows = list(findings)
    return {
        "result": "fail" if code_of(rows) else "ok",
        "findings": [
            {
                "subject": one.subject,
                "check": one.check,
                "result": one.result.value,
                "found": one.found,
                "remedy": one.remedy,
            }
            for one in rows
        ],
    }
