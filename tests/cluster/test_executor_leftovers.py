"""Starts that were interrupted, cancels that race, and what is swept up by label."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.core.builds import NotThere, Running
from bot.executors.kubernetes.api import Api, pods_path, secrets_path
from bot.executors.kubernetes.inputs import Credentials
from bot.executors.kubernetes.leftovers import Leftovers
from bot.executors.kubernetes.manifest import build_pod, build_secret
from bot.executors.kubernetes.names import identity_of, object_name
from bot.executors.kubernetes.watch import Place
from bot.ports import AttemptSpec, CloneCredential, Temporary
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import Bench, Later, make_bench, spec


@pytest.fixture
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


class Stopping:
    """The process dies after that many calls that change something."""

    def __init__(self, api: Api, calls: int) -> None:
        self._left = calls
        for verb in ("create", "patch", "delete"):
            setattr(api, verb, self._counted(getattr(api, verb)))

    def _counted(self, call: Any) -> Any:
        def counted(*args: Any, **more: Any) -> Any:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            return call(*args, **more)

        return counted


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_a_start_that_was_killed_anywhere_is_made_whole_by_the_next(
    bench: Bench, calls: int
) -> None:
    wanted = spec(credential=CloneCredential("x", "first-token"))
    dying = bench.executor()
    Stopping(dying._api, calls)
    if calls < 3:
        with pytest.raises(KeyboardInterrupt):
            dying.start(wanted)
    else:
        dying.start(wanted)
    assert len(bench.list("pods")) == (1 if calls >= 2 else 0)
    bench.executor().start(replace(wanted, credential=CloneCredential("x", "second-token")))
    (pod,), (secret,) = bench.list("pods"), bench.list("secrets")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
    token = base64.b64decode(secret["data"]["password"]).decode()
    assert token == ("first-token" if calls >= 2 else "second-token")


def test_an_answer_that_was_lost_is_found_by_the_next_start(bench: Bench) -> None:
    """The pod was made, and nobody heard of it."""
    wanted, executor = spec(), bench.executor()
    create = executor._api.create

    def lossy(path: str, body: Any, query: Any = None) -> Any:
        create(path, body, query)
        raise Temporary("the cluster's answer broke off")

    executor._api.create = lossy  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Temporary, match="broke off"):
            executor.start(wanted)
    executor._api.create = create  # type: ignore[method-assign]
    executor.start(wanted)
    assert len(bench.list("pods")) == len(bench.list("secrets")) == 1


def test_cancel_ends_this_pod_and_no_other_of_its_name(bench: Bench) -> None:
    wanted, executor = spec(), bench.executor()
    pod = object_name(wanted.name)
    executor.cancel(wanted.name)
    executor.start(wanted)
    bench.kubelet.bind(pod)
    bench.kubelet.run(pod)
    executor.cancel(wanted.name)
    assert bench.pod(wanted.name)["metadata"]["deletionGracePeriodSeconds"] == 15
    calls = executor._api.calls
    assert isinstance(executor.observe(wanted.name), Running)
    executor.cancel(wanted.name)
    assert executor._api.calls - calls <= 3  # it is not told again and again
    bench.kubelet.remove(pod)
    assert isinstance(executor.observe(wanted.name), NotThere)


def test_a_pod_that_took_the_name_meanwhile_is_left_alone(bench: Bench) -> None:
    wanted, executor = spec(), bench.executor()
    executor.start(wanted)
    watch = executor.watches[0]
    watch._heard_at = time.monotonic()  # what is remembered is believed
    bench.kubelet.remove(object_name(wanted.name))
    other = bench.executor()
    other.start(wanted)  # as if it were another's: the uid is
    executor.cancel(wanted.name)
    assert "deletionTimestamp" not in bench.pod(wanted.name)["metadata"]


def objects(bench: Bench, wanted: AttemptSpec) -> tuple[dict[str, object], dict[str, object]]:
    identity, pods = identity_of(wanted, "main"), bench.settings.pods
    return (
        build_pod(wanted, pods, identity),
        build_secret(wanted, pods, identity, Credentials()),
    )


def sweep(bench: Bench, seconds: float) -> None:
    """As if so many seconds had passed in the cluster too."""
    executor = bench.executor()
    executor._api._look_at_clock = lambda date: None  # type: ignore[method-assign]
    place = Place(bench.namespace, "main")
    pods = executor.watches[0].listed(place)
    Leftovers(executor._api, Later(seconds)).sweep(place, pods)


def test_secrets_without_pods_are_swept_up_and_others_find_their_owner(bench: Bench) -> None:
    api = bench.api()
    alone, together = spec(), spec()
    for one in (alone, together):
        pod, secret = objects(bench, one)
        api.create(secrets_path(bench.namespace), secret)
        if one is together:
            api.create(pods_path(bench.namespace), pod)
    bench.admin.create(
        f"/api/v1/namespaces/{bench.namespace}/secrets", {"metadata": {"name": "somebody-s"}}
    )
    sweep(bench, 60)
    assert len(bench.list("secrets")) == 3
    sweep(bench, 1000)
    left = {one["metadata"]["name"]: one["metadata"] for one in bench.list("secrets")}
    assert set(left) == {"somebody-s", object_name(together.name)}
    assert left[object_name(together.name)]["ownerReferences"][0]["kind"] == "Pod"
    assert len(bench.list("pods")) == 1


def test_pods_that_ended_and_nobody_asked_for_go_after_a_week(bench: Bench) -> None:
    executor, ended, running = bench.executor(), spec(), spec()
    for one in (ended, running):
        executor.start(one)
        bench.kubelet.bind(object_name(one.name))
        bench.kubelet.run(object_name(one.name))
    bench.kubelet.end(object_name(ended.name))
    sweep(bench, 6 * 86400)
    assert len(bench.list("pods")) == 2
    sweep(bench, 8 * 86400)
    deleted = [
        p["metadata"]["name"] for p in bench.list("pods") if "deletionTimestamp" in p["metadata"]
    ]
    assert deleted == [object_name(ended.name)]
    bench.executor().housekeeping()
