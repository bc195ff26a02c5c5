"""Work beside the fetch: its answer, its failures, and that nothing of it is left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.builder.aside import Aside
from bot.builder.budget import Budget
from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed

# The builder forks while it has one thread; a test runner has more, of which newer Pythons warn.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def _children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = _children()
    yield
    assert _children() <= before


def _endless() -> dict[str, Any]:
    time.sleep(1000)
    return {}


def test_the_answer_of_a_child() -> None:
    with Aside(lambda: {"pid": os.getpid(), "long": "x" * 300_000}) as aside:
        found = aside.result(Budget(60))
    assert found["pid"] != os.getpid()
    assert len(found["long"]) == 300_000


def test_a_child_without_an_answer_costs_time_and_no_result(capfd: Any) -> None:
    here = os.getpid()

    def work() -> dict[str, Any]:
        if os.getpid() != here:
            raise RuntimeError("in the child alone")
        return {"pid": here}

    with Aside(work) as aside:
        assert aside.result(Budget(60)) == {"pid": here}
    assert capfd.readouterr() == ("", "")


def test_a_failure_is_the_works_own() -> None:
    def work() -> dict[str, Any]:
        raise BuildFailed(BuildClass.CONFIG, "no client")

    with Aside(work) as aside, pytest.raises(BuildFailed, match="no client"):
        aside.result(Budget(60))


def test_leaving_ends_the_child() -> None:
    before = _children()
    with Aside(_endless):
        assert len(_children() - before) == 1
    assert _children() <= before


def test_a_cancel_does_not_wait_for_the_child() -> None:
    budget = Budget(60)
    with Aside(_endless) as aside:
        budget.cancel()
        with pytest.raises(BuildFailed) as caught:
            aside.result(budget)
    assert caught.value.kind is BuildClass.CANCELLED
