"""Findings as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.core.findings import Finding, Result
from bot.core.logtext import plain

_COLOURS: Mapping[Result, str] = {
    Result.OK: "32",
    Result.WARN: "33",
    Result.FAIL: "31",
    Result.UNKNOWN: "36",
}
_WORD = max(len(result) for result in Result)
_WIDEST = 36
"""Characters of the second and third column: one long name must not push all texts away."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Widths of the columns that are told before any finding is there, so that rows can be printed
    as they come and still line up. `colour`: only for a terminal."""

    subject: int
    check: int
    colour: bool = False


def layout(pairs: Iterable[tuple[str, str]], *, colour: bool = False) -> Layout:
    """For the (subject, check) pairs that are expected."""
    known = list(pairs)
    subject = max((len(one) for one, _ in known), default=0)
    check = max((len(one) for _, one in known), default=0)
    return Layout(min(subject, _WIDEST), min(check, _WIDEST), colour=colour)


def lines(finding: Finding, how: Layout) -> Sequence[str]:
    """One line for what was found and, where there is something to do, one for that."""
    word = finding.result.value.ljust(_WORD)
    if how.colour:
        word = f"\x1b[{_COLOURS[finding.result]}m{word}\x1b[0m"
    subject, check = plain(finding.subject), plain(finding.check)
    start = f"{word}  {subject:<{how.subject}}  {check:<{how.check}}  "
    indent = " " * (_WORD + 2)
    shown = [start + plain(finding.found)]
    if finding.remedy:
        shown.append(f"{indent}→ {plain(finding.remedy)}")
    return shown


def summary(findings: Iterable[Finding]) -> str:
    """`14 ok, 1 warn, 2 fail`: what there is none of is left out."""
    counted = Counter(one.result for one in findings)
    return ", ".join(f"{counted[one]} {one}" for one in Result if counted[one]) or "nothing checked"
