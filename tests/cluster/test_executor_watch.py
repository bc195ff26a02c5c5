"""One list and one watch per namespace: it wakes, saves calls, and is never the last word."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bot.core.builds import Ended, NotThere, Pending, Running
from bot.executors.kubernetes.executor import KubernetesExecutor
from bot.executors.kubernetes.names import object_name
from bot.executors.kubernetes.watch import USUAL, Rhythm
from bot.ports import AttemptSpec, Temporary
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import (
    Bench,
    eventually,
    make_bench,
    spec,
    stranger,
    watching,
    with_untrusted,
)
from tests.cluster.proxy import SilentProxy

QUICK = Rhythm(watch=3.0, silence=4.0, fresh=5.0, watches=3)


@pytest.fixture
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


def test_a_dead_watch_is_found_within_seventy_seconds() -> None:
    assert USUAL.watch < USUAL.silence < USUAL.fresh < 70


def test_changes_wake_and_running_costs_no_call(bench: Bench) -> None:
    wanted = spec()
    name, pod = wanted.name, object_name(wanted.name)
    executor = bench.executor()
    api = executor.watches[0]._api
    with watching(*executor.watches):
        eventually(lambda: _starts(executor, wanted))
        eventually(lambda: name in executor.changed())
        bench.kubelet.bind(pod)
        bench.kubelet.run(pod)
        eventually(lambda: name in executor.changed())
        eventually(lambda: isinstance(executor.observe(name), Running))
        before = api.calls
        for _ in range(100):
            assert isinstance(executor.observe(name), Running)
        assert api.calls == before
        bench.kubelet.end(pod)
        # An earlier change may be told last, so what is seen counts, not that something changed.
        eventually(lambda: isinstance(executor.observe(name), Ended))
        assert api.calls == before + 1  # that it ended was asked again
        executor.forget(name)
        bench.kubelet.remove(pod)
        eventually(lambda: isinstance(executor.observe(name), NotThere))


def _starts(executor: KubernetesExecutor, wanted: AttemptSpec) -> bool:
    """A start may be told to come again, by a connection that broke at the watch's side."""
    try:
        executor.start(wanted)
    except Temporary:
        return False
    return True


def test_a_pod_that_ended_unseen_is_not_believed_to_be_gone(bench: Bench) -> None:
    """What the watch remembers is old; the answer to `observe` is not."""
    wanted = spec()
    executor = bench.executor()
    executor.start(wanted)
    watch = executor.watches[0]
    watch._heard_at = time.monotonic()  # as if it were fresh
    watch.drop(object_name(wanted.name))
    assert isinstance(executor.observe(wanted.name), Pending)


def test_a_restarted_bot_hears_of_all_that_runs_with_one_list(bench: Bench) -> None:
    names = [spec() for _ in range(5)]
    for wanted in names:
        bench.executor().start(wanted)
    again = bench.executor()
    with watching(*again.watches):
        heard: set[str] = set()

        def all_heard() -> bool:
            heard.update(again.changed())
            return len(heard) == 5

        eventually(all_heard)
        before = again.watches[0]._api.calls
        assert all(isinstance(again.observe(one.name), Pending) for one in names)
        assert again.watches[0]._api.calls == before


def test_a_blackholed_watch_is_found(bench: Bench, plane: ControlPlane) -> None:
    wanted = spec()
    name, pod = wanted.name, object_name(wanted.name)
    with SilentProxy(plane.port) as proxy:
        text = plane.kubeconfig.read_text().replace(f":{plane.port}", f":{proxy.port}")
        config = plane.folder / f"proxied-{proxy.port}"
        config.write_text(text)
        executor = bench.executor(config, QUICK)
        with watching(*executor.watches):
            executor.start(wanted)
            eventually(lambda: executor.watches[0].pods() is not None)
            proxy.silent = True
            bench.kubelet.bind(pod)
            bench.kubelet.run(pod)
            eventually(lambda: executor.watches[0].pods() is None)
            with pytest.raises(Temporary, match="does not answer"):
                executor.observe(name)  # not what it remembers
            executor.changed()
            proxy.silent = False
            eventually(lambda: name in executor.changed())
            eventually(lambda: isinstance(executor.observe(name), Running))


def test_an_apiserver_that_restarts_is_found_again(bench: Bench, plane: ControlPlane) -> None:
    wanted = spec()
    name, pod = wanted.name, object_name(wanted.name)
    executor = bench.executor()
    executor.start(wanted)
    with watching(*executor.watches):
        eventually(lambda: executor.watches[0].pods() is not None)
        executor.changed()
        plane.restart_apiserver()
        bench.kubelet.bind(pod)
        bench.kubelet.run(pod)
        eventually(lambda: name in executor.changed())
        eventually(lambda: _running(executor.observe, name))


def _running(observe: object, name: str) -> bool:
    assert callable(observe)
    try:
        return isinstance(observe(name), Running)
    except Temporary:
        return False


def test_a_version_that_is_too_old_is_listed_again(bench: Bench) -> None:
    executor = bench.executor()
    watch = executor.watches[0]
    watch._where, watch._version = watch._place(), "1"
    assert watch.step()  # 410
    assert watch._version == ""
    executor.start(spec())
    with watching(watch):
        eventually(lambda: len(watch.pods() or ()) == 1)


def test_without_permission_it_says_so_and_does_not_hurry(
    bench: Bench, plane: ControlPlane
) -> None:
    config = plane.folder / f"nobody-{bench.namespace}"
    plane.write_kubeconfig(config, plane.token_for(bench.namespace, "nobody"))
    executor = bench.executor(config)
    watch = executor.watches[0]
    pauses = []
    for _ in range(5):
        with pytest.raises(Temporary, match=r"lacks a permission .* cannot list") as refused:
            watch.step()
        pauses.append(refused.value.after or 0.0)
    assert pauses[-1] > pauses[0]
    assert pauses[0] >= 1.0
    with pytest.raises(Temporary, match="lacks a permission"):
        executor.observe("x-1")


def test_strangers_are_watched_in_their_own_namespace(bench: Bench) -> None:
    namespace = with_untrusted(bench)
    executor, wanted = bench.executor(), stranger()
    with watching(*executor.watches):
        executor.start(wanted)
        assert bench.list("pods") == []
        eventually(lambda: wanted.name in executor.changed())
        assert executor.running() == [wanted.name]
        path = f"/api/v1/namespaces/{namespace}/pods/{object_name(wanted.name)}"
        assert bench.admin.get(path)["spec"]["nodeSelector"] == {"pool": "strangers"}
        assert isinstance(executor.observe(wanted.name), Pending)
        executor.cancel(wanted.name)
        eventually(lambda: isinstance(executor.observe(wanted.name), NotThere))
