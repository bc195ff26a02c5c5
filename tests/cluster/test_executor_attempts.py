"""The Kubernetes executor at a real API server: starting, adopting, cancelling, forgetting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.core.builds import Ended, NotThere, OutcomeClass, Pending, Running
from bot.executors.kubernetes.names import object_name
from bot.ports import Permanent
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import Bench, make_bench, spec


@pytest.fixture
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


def test_from_start_to_end(bench: Bench) -> None:
    executor, wanted = bench.executor(), spec()
    name, pod = wanted.name, object_name(wanted.name)
    assert isinstance(executor.observe(name), NotThere)
    executor.start(wanted)
    assert executor.observe(name) == Pending("waiting for a node")
    bench.kubelet.bind(pod)
    bench.kubelet.pull(pod)
    assert isinstance(executor.observe(name), Pending)
    bench.kubelet.run(pod)
    assert isinstance(executor.observe(name), Running)
    bench.kubelet.end(pod)
    ended = executor.observe(name)
    assert isinstance(ended, Ended)
    assert ended.outcome is OutcomeClass.SUCCEEDED
    assert executor.running() == [name]
    executor.forget(name)
    bench.kubelet.remove(pod)
    assert isinstance(executor.observe(name), NotThere)
    assert executor.running() == []


def test_the_secret_belongs_to_the_pod(bench: Bench) -> None:
    wanted = spec()
    bench.executor().start(wanted)
    (secret,) = bench.list("secrets")
    pod = bench.pod(wanted.name)
    owner = secret["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("Pod", pod["metadata"]["uid"])
    assert secret["immutable"] is True


def test_a_second_start_and_a_restarted_bot_find_the_pod(bench: Bench) -> None:
    wanted = spec()
    bench.executor().start(wanted)
    uid = bench.pod(wanted.name)["metadata"]["uid"]
    again = bench.executor()
    again.start(wanted)
    again.start(wanted)
    assert bench.pod(wanted.name)["metadata"]["uid"] == uid
    assert isinstance(again.observe(wanted.name), Pending)
    assert len(bench.list("pods")) == len(bench.list("secrets")) == 1


def test_another_recipe_of_that_name_is_not_adopted(bench: Bench) -> None:
    wanted = spec()
    bench.executor().start(wanted)
    with pytest.raises(Permanent, match="its recipe hash is another; remove it"):
        bench.executor().start(replace(wanted, recipe_hash="cd" * 32))
