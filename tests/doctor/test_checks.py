"""Checks run side by side, and whatever one of them does the others end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from bot.core.findings import About, Finding, Result, code_of, document
from bot.core.reports_findings import layout, lines, summary
from bot.doctor.checks import AT_ONCE, Check, run_checks
from bot.ports import Permanent

ABOUT = About("host", "thing")


def check(look: Callable[[], Iterable[Finding | Check]], seconds: float = 20.0) -> Check:
    return Check(ABOUT, look, seconds)


def found(*checks: Check, seconds: float = 60.0) -> list[Finding]:
    return list(run_checks(checks, seconds=seconds))


def test_findings_of_all_checks_come_and_further_checks_are_run() -> None:
    inner = check(lambda: [ABOUT.ok("inner")])
    outer = check(lambda: [ABOUT.ok("first"), inner, ABOUT.ok("second")])
    texts = [one.found for one in found(outer)]
    assert texts[:2] == ["first", "second"]
    assert texts[2:] == ["inner"]
    assert found() == []


def test_checks_run_side_by_side() -> None:
    meeting = threading.Barrier(AT_ONCE, timeout=20)

    def look() -> Iterator[Finding]:
        meeting.wait()
        yield ABOUT.ok("met")

    assert [one.found for one in found(*[check(look)] * AT_ONCE)] == ["met"] * AT_ONCE


def test_a_finding_comes_while_others_still_look() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Finding]:
        assert go_on.wait(20)
        yield ABOUT.ok("slow")

    coming = run_checks([check(slow), check(lambda: [ABOUT.ok("fast")])], seconds=60)
    assert next(coming).found == "fast"
    go_on.set()
    assert [one.found for one in coming] == ["slow"]


def test_a_check_that_hangs_is_given_up_and_leaves_its_place_to_others() -> None:
    stop = threading.Event()

    def hang() -> Iterator[Finding]:
        yield ABOUT.ok("begun")
        stop.wait(60)
        yield ABOUT.ok("too late")

    hanging = [check(hang, seconds=0.2)] * (AT_ONCE + 1)
    results = found(*hanging, check(lambda: [ABOUT.ok("last")]))
    stop.set()
    assert [one.found for one in results].count("not answered within 0.2 s") == AT_ONCE + 1
    assert results[-1].found == "last" or "last" in [one.found for one in results]
    assert "too late" not in [one.found for one in results]
    assert code_of(results) == 1


def test_what_does_not_begin_in_time_is_said() -> None:
    stop = threading.Event()

    def hang() -> Iterator[Finding]:
        stop.wait(60)
        yield ABOUT.ok("too late")

    results = found(*[check(hang)] * (AT_ONCE + 2), seconds=0.2)
    stop.set()
    assert len(results) == AT_ONCE + 2
    assert {one.result for one in results} == {Result.FAIL}


@pytest.mark.parametrize(
    ("error", "says"),
    [(Permanent("no such thing"), "no such thing"), (KeyError("x"), "broke (KeyError: 'x')")],
)
def test_a_check_that_breaks_is_a_finding(error: Exception, says: str) -> None:
    def broken() -> Iterator[Finding]:
        yield ABOUT.ok("begun")
        raise error

    first, second = found(check(broken))
    assert first.found == "begun"
    assert second.result is Result.FAIL
    assert says in second.found


def test_rows_line_up_whatever_comes_first() -> None:
    how = layout([("github", "credential"), ("db", "webhook of acme/shop")])
    rows = [
        lines(About("github", "credential").ok("a"), how),
        lines(About("db", "webhook of acme/shop").fail("b", "mend it"), how),
        lines(About("db", "schema").unknown("c"), how),
    ]
    assert rows == [
        ["ok       github  credential            a"],
        ["fail     db      webhook of acme/shop  b", "         → mend it"],
        ["unknown  db      schema                c"],
    ]
    assert all("\x1b" not in line for row in rows for line in row)


def test_colour_is_in_the_word_alone_and_nothing_of_others_reaches_the_terminal() -> None:
    how = layout([("h", "c")], colour=True)
    [line, todo] = lines(About("h", "c").warn("\x1b[31mred\x07", "do\nthis"), how)
    assert line.startswith("\x1b[33mwarn   \x1b[0m  h  c  ")
    assert line.count("\x1b") == 2
    assert "\x07" not in line
    assert "\n" not in todo


def test_the_summary_and_the_document() -> None:
    rows = [ABOUT.ok("a"), ABOUT.ok("b"), ABOUT.fail("c", "d")]
    assert summary(rows) == "2 ok, 1 fail"
    assert summary([]) == "nothing checked"
    assert document(rows[:2])["result"] == "ok"
    shown = document(rows)
    assert shown["result"] == "fail"
    assert shown["findings"][2] == {
        "subject": "host",
        "check": "thing",
        "result": "fail",
        "found": "c",
        "remedy": "d",
    }
    assert (code_of(rows), code_of(rows[:2]), code_of([ABOUT.unknown("x")])) == (1, 0, 0)
