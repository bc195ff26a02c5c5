"""Many builds: limits and fairness with two workers, calls per build, restarts, faults."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from bot.core.builds import BuildState, LogLine, Observation
from bot.executors.kubernetes.api import secrets_path
from bot.executors.kubernetes.inputs import Credentials
from bot.executors.kubernetes.leftovers import Leftovers
from bot.executors.kubernetes.manifest import build_secret
from bot.executors.kubernetes.names import identity_of, object_name
from bot.executors.kubernetes.permissions import PERMISSIONS
from bot.executors.kubernetes.watch import Place
from bot.ports import Temporary
from bot.records import BuildRow
from bot.store import SqlStore
from tests.cluster.api import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import Bench, Later, eventually, make_bench, spec, watching
from tests.cluster.fleet import Crew, Worker, active, at_rest, central, ended, queue, rows_of

BIG, SMALL = 140, 30
LIMIT = 4


@pytest.fixture
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


def account(bench: Bench, plane: ControlPlane) -> tuple[Path, str]:
    """A kubeconfig of a service account with exactly the permissions of the table, and its name."""
    rules = [
        {"apiGroups": [""], "resources": [one.resource], "verbs": list(one.verbs)}
        for one in PERMISSIONS
    ]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{bench.namespace}"
    plane.api.create(f"{rbac}/roles", {"metadata": {"name": "worker"}, "rules": rules})
    binding = {
        "metadata": {"name": "worker"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "worker"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": bench.namespace}],
    }
    plane.api.create(f"{rbac}/rolebindings", binding)
    config = plane.folder / f"worker-{bench.namespace}"
    plane.write_kubeconfig(config, plane.token_for(bench.namespace, "worker"))
    return config, f"system:serviceaccount:{bench.namespace}:worker"


def calls_of(plane: ControlPlane, user: str) -> list[tuple[str, str, int]]:
    """(verb, resource, code) of all that an account asked for."""
    found = {}
    for event in plane.audit_events():
        if event["user"].get("username") == user:  # a watch is told of at its start and its end
            about = event.get("objectRef", {})
            resource = about.get("resource", "") + (
                f"/{about['subresource']}" if "subresource" in about else ""
            )
            call = (event["verb"], resource, event["responseStatus"]["code"])
            found[event["auditID"]] = call
    return list(found.values())


@pytest.mark.timeout(600)
def test_two_hundred_builds_two_workers(bench: Bench, plane: ControlPlane, tmp_path: Path) -> None:
    config, user = account(bench, plane)
    address = rows_of(tmp_path)
    store = address.open()
    for number, count in ((1, BIG), (2, SMALL), (3, SMALL)):
        queue(store, number, count)
    limits = central(LIMIT, 3)
    workers = [Worker(address, bench.executor(config, watched=True), limits) for _ in range(2)]
    crew = Crew(bench)
    with ExitStack() as stack:
        stack.callback(store.close)
        stack.enter_context(crew.working())
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)
        eventually(lambda: at_rest(store, BIG + 2 * SMALL) or crew.errors, 540)
        eventually(lambda: not bench.list("pods"), 60)
        results = ended(store)
    assert crew.errors == [one for worker in workers for one in worker.errors] == []
    assert {row.state for row in results} == {BuildState.SUCCEEDED}
    assert {row.attempt for row in results} == {1}
    assert max(worker.most for worker in workers) <= LIMIT
    assert crew.most <= LIMIT
    # Fair: nobody with a few builds waits for the one with many.
    last = {number: len(crew.started) - crew.started[::-1].index(number) for number in "123"}
    assert last["2"] < last["1"] - SMALL
    assert last["3"] < last["1"] - SMALL
    calls = [call for call in calls_of(plane, user) if call[1] != "pods/log"]
    builds = BIG + 2 * SMALL
    print("calls:", Counter(f"{verb} {resource} {code}" for verb, resource, code in calls))
    assert len(calls) / builds <= 8
    assert {code for _, _, code in calls} <= {200, 201, 404, 409}


@pytest.mark.timeout(900)
def test_five_hundred_active_pods_and_a_restart(bench: Bench, tmp_path: Path) -> None:
    """Reconciled by one list: no pod is asked for by itself, and at rest next to nothing is."""
    address = rows_of(tmp_path)
    store = address.open()
    count = 500
    queue(store, 1, count)
    limits = central(count, count)
    worker, crew = Worker(address, bench.executor(watched=True), limits), Crew(bench)
    crew.hold.set()
    with ExitStack() as stack:
        stack.callback(store.close)
        stack.enter_context(crew.working())
        worker.start()
        eventually(lambda: len(crew.started) == count or crew.errors or worker.errors, 600, 1.0)
        eventually(lambda: len(running(store)) == count or worker.errors, 600, 1.0)
        worker.stop()
        assert crew.errors == worker.errors == []
        again = Worker(address, bench.executor(watched=True), limits)
        looked = noted(again)
        again.executor.read_log = unread  # type: ignore[method-assign]
        began = time.monotonic()
        again.start()
        stack.callback(again.stop)
        watch, api = again.executor.watches[0], again.executor._api
        eventually(lambda: len(watch.pods() or ()) == count, 60, 0.1)
        eventually(lambda: len(looked) == count, 120, 0.1)
        print(f"restart to reconciled: {time.monotonic() - began:.1f} s, {api.calls} calls")
        assert api.calls <= 6  # a list and a sweep of leftovers in two pages each, a watch
        before = api.calls
        time.sleep(20)
        assert api.calls - before <= 4  # 0.2 a second
        assert len(running(store)) == count
        assert again.errors == []


def unread(name: str, after: int, limit: int) -> Sequence[LogLine]:
    """Logs are counted apart."""
    return ()


def noted(worker: Worker) -> set[str]:
    """The attempts that its executor was asked for."""
    names: set[str] = set()
    observe = worker.executor.observe

    def asked(name: str) -> Observation:
        names.add(name)
        return observe(name)

    worker.executor.observe = asked  # type: ignore[method-assign]
    return names


def running(store: SqlStore) -> list[BuildRow]:
    return [row for row in active(store) if row.state is BuildState.RUNNING]


@pytest.mark.timeout(600)
def test_an_apiserver_that_restarts_during_builds(
    bench: Bench, plane: ControlPlane, tmp_path: Path
) -> None:
    """Twice, once hard. Nothing is tried again for it."""
    address = rows_of(tmp_path)
    store = address.open()
    queue(store, 1, 24)
    workers = [Worker(address, bench.executor(watched=True), central(6, 6)) for _ in range(2)]
    crew = Patient(bench)
    with ExitStack() as stack:
        stack.callback(store.close)
        stack.enter_context(crew.working())
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)
        broken = [worker.errors for worker in workers]
        eventually(lambda: len(ended(store)) >= 5 or any(broken), 120)
        plane.restart_apiserver()
        eventually(lambda: len(ended(store)) >= 12 or any(broken), 120)
        server = plane.component("kube-apiserver")
        server.signal(signal.SIGKILL)
        plane.restart_apiserver()
        eventually(lambda: at_rest(store, 24) or any(broken), 240)
        results = ended(store)
    assert [one for errors in broken for one in errors] == []
    assert {(row.state, row.attempt) for row in results} == {(BuildState.SUCCEEDED, 1)}


class Patient(Crew):
    """Goes on when the server does not answer."""

    def step(self) -> bool:
        with suppress(requests.RequestException, ApiError):
            return super().step()
        return False


@pytest.mark.timeout(300)
def test_a_namespace_s_quota_is_shared_out(bench: Bench, tmp_path: Path) -> None:
    """Four may run for us, two for the cluster: the others wait, say so, and leave no Secret."""
    path = f"/api/v1/namespaces/{bench.namespace}/resourcequotas"
    hard = {"pods": "2"}
    bench.admin.create(path, {"metadata": {"name": "few"}, "spec": {"hard": hard}})
    status = {"status": {"hard": hard, "used": {"pods": "0"}}}
    bench.admin.patch(f"{path}/few/status", status)
    address = rows_of(tmp_path)
    store = address.open()
    queue(store, 1, 8)
    worker = Worker(address, bench.executor(watched=True), central(4, 4))
    crew = Counting(bench, f"{path}/few")
    crew.hold.set()
    with ExitStack() as stack:
        stack.callback(store.close)
        stack.enter_context(crew.working())
        worker.start()
        stack.callback(worker.stop)
        eventually(lambda: len(waiting(store)) == 2)
        assert "exceeded quota: few" in waiting(store)[0]
        eventually(lambda: len(bench.list("secrets")) == 2)
        crew.hold.clear()
        eventually(lambda: at_rest(store, 8), 240)
        results = ended(store)
    assert crew.errors == worker.errors == []
    assert crew.most <= 2
    assert {(row.state, row.attempt) for row in results} == {(BuildState.SUCCEEDED, 1)}


def waiting(store: SqlStore) -> list[str]:
    return [
        row.reason for row in active(store) if "waiting for the namespace's quota" in row.reason
    ]


class Counting(Crew):
    """With the controller that counts what a quota has used: admission only counts up."""

    def __init__(self, bench: Bench, quota: str) -> None:
        super().__init__(bench)
        self._quota = quota

    def removed(self) -> None:
        while True:
            found = self._bench.admin.get(self._quota)
            less = {"pods": str(int(found["status"]["used"]["pods"]) - 1)}
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            try:
                body = {"metadata": version, "status": {"used": less}}
                self._bench.admin.patch(f"{self._quota}/status", body)
            except ApiError as error:
                if error.code != 409:
                    raise
            else:
                return


def test_the_role_is_exactly_what_is_used(bench: Bench, plane: ControlPlane) -> None:
    """By the API server's own log: nothing was refused, and no permission lies idle."""
    config, user = account(bench, plane)
    executor = bench.executor(config)
    executor._hints._after = (0.0,)
    wanted, alone = spec(), spec()
    executor.start(wanted)
    name = object_name(wanted.name)
    bench.kubelet.bind(name)
    bench.kubelet.pull(name)
    executor.observe(wanted.name)  # events
    bench.kubelet.run(name)
    with suppress(Temporary):
        executor.read_log(wanted.name, 0, 10)
    with watching(*executor.watches):
        eventually(lambda: executor.watches[0].pods() is not None)
        executor.cancel(wanted.name)
    identity, pods = identity_of(alone, "main"), bench.settings.pods
    secret = build_secret(alone, pods, identity, Credentials())
    executor._api.create(secrets_path(bench.namespace), secret)
    leftovers = Leftovers(executor._api, Later(3600))
    executor._api._look_at_clock = lambda date: None  # type: ignore[method-assign]
    leftovers.sweep(Place(bench.namespace, "main"), ())
    eventually(lambda: "watch" in {verb for verb, _, _ in calls_of(plane, user)})
    calls = calls_of(plane, user)
    assert 403 not in {code for _, _, code in calls}
    used = {(resource, verb) for verb, resource, _ in calls}
    assert used == {(one.resource, verb) for one in PERMISSIONS for verb in one.verbs}
