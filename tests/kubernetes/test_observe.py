"""What pod statuses mean: realistic shapes, and that no broken one is an exception or a success."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.core.builds import Ended, NotThere, Observation, OutcomeClass, Pending, Running
from bot.executors.kubernetes.observe import observe
from tests.kubernetes.statuses import CASES, DIGEST, NOW, START, Case


def told(seen: Observation) -> tuple[str, str]:
    match seen:
        case NotThere():
            return "gone", ""
        case Pending(reason):
            return "pending", reason
        case Running():
            return "running", ""
        case Ended(result, cause, outcome):
            assert result is None or result.outcome is outcome
            return str(outcome), f"{cause} {result.message if result else ''}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_status_means(case: Case) -> None:
    kind, words = told(observe(case.pod, NOW + case.later, case.events))
    assert kind == case.expect
    assert case.words in words
    assert words.isprintable()
    assert len(words) < 1000


def test_a_success_has_the_digest_that_the_builder_told() -> None:
    case = next(case for case in CASES if case.name == "success")
    seen = observe(case.pod, NOW)
    assert isinstance(seen, Ended)
    assert seen.result is not None
    assert seen.result.digest == DIGEST


def test_running_since_the_container_started_but_not_since_the_future() -> None:
    case = next(case for case in CASES if case.name == "running")
    assert observe(case.pod, NOW) == Running(START)
    assert observe(case.pod, START - 7200) == Running(START - 7200)  # clocks differ


def test_the_line_of_the_dockerfile_survives_another_cause() -> None:
    case = next(case for case in CASES if case.name == "child of a step killed")
    seen = observe(case.pod, NOW)
    assert isinstance(seen, Ended)
    assert seen.result is not None
    assert "exit code 2" in seen.result.message


def paths(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from paths(value[key], (*at, key))  # type: ignore[index]  # dict or list, as above


ODD: tuple[object, ...] = (..., None, "x", 7, [[]], {"a": []})


def changed(pod: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    broken = copy.deepcopy(pod)
    at: Any = broken
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return broken


def test_no_broken_status_is_an_exception_or_a_success() -> None:
    """Each path of each shape, below the status and the metadata, gone or of another type."""
    tried = 0
    for case in CASES:
        if case.pod is None:
            continue
        small = {key: case.pod[key] for key in ("metadata", "spec", "status")}
        small["spec"] = {"nodeName": small["spec"]["nodeName"], "containers": [{"name": "docker"}]}
        for path in paths(small):
            for value in ODD:
                seen = observe(changed(small, path, value), NOW + case.later, case.events)
                tried += 1
                if case.expect != OutcomeClass.SUCCEEDED:
                    assert told(seen)[0] != OutcomeClass.SUCCEEDED, (case.name, path, value)
    assert tried > 9000


no_deadline = hypothesis_settings(deadline=None)  # a busy machine is no mistake
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["metadata", "status", "phase", "reason", "conditions", "containerStatuses", "name",
             "state", "terminated", "running", "message", "type", "lastTransitionTime"]
        )
        | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@no_deadline
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JSON), st.lists(JSON))
def test_any_json_has_an_answer(pod: dict[str, Any], events: list[Any]) -> None:
    assert told(observe(pod, NOW, events))[0] != OutcomeClass.SUCCEEDED


def test_what_is_no_object_is_not_there() -> None:
    odd: tuple[Any, ...] = ([], "pod", 7)
    assert [observe(one, NOW) for one in odd] == [NotThere()] * 3
