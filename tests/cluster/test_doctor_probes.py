"""Probe pods of `pushwright doctor` at a real API server; the test plays their kubelet."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from bot.core.findings import Result
from bot.doctor.cluster import Deep
from bot.doctor.probes import Reach
from bot.doctor.samples import Trial
from tests.cluster.doctor_bench import FAIL, OK, WARN, Found, Worker, by_check
from tests.cluster.executor_bench import eventually


def play(worker: Worker, answers: list[Any]) -> threading.Thread:
    """Ends each pod that appears with the next answer, as a kubelet would."""

    def kubelet() -> None:
        ended: set[str] = set()
        for answer in answers:
            fresh: list[str] = []

            def appeared(fresh: list[str] = fresh) -> bool:
                names = [pod["metadata"]["name"] for pod in worker.bench.list("pods")]
                fresh[:] = [name for name in names if name not in ended]
                return bool(fresh)

            eventually(appeared)
            ended.add(fresh[0])
            pods = worker.bench.list("pods")
            [pod] = [one for one in pods if one["metadata"]["name"] == fresh[0]]
            seen.append(pod)
            worker.bench.kubelet.end(fresh[0], answer)

    seen: list[Any] = []
    thread = threading.Thread(target=kubelet)
    thread.pods = seen  # type: ignore[attr-defined]
    thread.start()
    return thread


def test_what_builds_reach(worker: Worker) -> None:
    worker.role(worker.namespace)
    told = {"metadata service": "open", "API server": "closed", "git.test:443": "open"}
    kubelet = play(worker, [told])
    found = worker.doctor(deep=Deep({"git.test:443": Reach("git.test", 443, True)}, None))
    kubelet.join()
    network = found[f"network of {worker.namespace}"]
    assert (network.result, network.found) == (WARN, "a build reaches the metadata service")
    [pod] = kubelet.pods  # type: ignore[attr-defined]
    [container] = pod["spec"]["containers"]
    assert not container["securityContext"]["privileged"]
    assert "initContainers" not in pod["spec"]
    assert "secret" not in json.dumps(pod["spec"].get("volumes", []))
    assert pod["metadata"]["labels"]["pushwright.dev/trust"] == "trusted"
    # Not the worker's to adopt or to sweep up.
    assert pod["metadata"]["labels"]["pushwright.dev/instance"] == "main-doctor"
    gone(worker)


def result(digest: str, hits: int) -> dict[str, Any]:
    cache = {"hits": hits, "steps": 2}
    return {
        "version": 1,
        "class": "succeeded",
        "message": "built",
        "digest": "sha256:" + digest * 64,
        "cache": cache,
        "daemon": "29.1.0",
        "client": "buildx 0.30",
    }


@pytest.mark.parametrize(
    ("hits", "says", "outcome"),
    [
        ((0, 2, 2), "took every step from the cache", OK),
        ((0, 2, 0), "build 3 of 3 hit 0 of 2 steps, with dockerd 29.1.0", FAIL),
        ((0, 0), "build 2 of 3 hit 0 of 2 steps", FAIL),
    ],
)
def test_chained_builds(worker: Worker, hits: tuple[int, ...], says: str, outcome: Result) -> None:
    worker.role(worker.namespace)
    trial = Trial("reg.test/acme/shop:pushwright-doctor", (), ("reg.test",), {"auths": {}})
    kubelet = play(worker, [{}, *(result(str(n), hit) for n, hit in enumerate(hits))])
    order = run_in_order(worker, trial)
    kubelet.join()
    found = order["chained builds"]
    assert (found.result, says in found.found) == (outcome, True), found
    assert "dockerd 29.1.0, client buildx 0.30" in order["dockerd"].found
    first = kubelet.pods[1]  # type: ignore[attr-defined]
    assert first["spec"]["containers"][0]["command"][:4] == [
        "python",
        "-I",
        "-m",
        "bot.builder.trial",
    ]
    gone(worker)


def run_in_order(worker: Worker, trial: Trial) -> Found:
    """The network probe first, then the builds: pods come one after another."""
    from bot.doctor import probes

    api, settings = worker.bench.api(worker.kubeconfig), worker.bench.settings
    findings = [
        *probes.network(api, settings, {}, trusted=True),
        *probes.chained(api, settings, trial),
    ]
    return by_check(iter(findings))


def test_a_probe_pod_that_never_starts(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.doctor import probes

    worker.role(worker.namespace)
    monkeypatch.setattr(probes, "PROBE_SECONDS", 2.0)
    api = worker.bench.api(worker.kubeconfig)
    [found] = probes.network(api, worker.bench.settings, {}, trusted=True)
    assert (found.result, "not ended after 2 s" in found.found) == (FAIL, True)
    gone(worker)


def gone(worker: Worker) -> None:
    """Removed or, where only a kubelet can end it, on the way."""
    for pod in worker.bench.list("pods"):
        assert pod["metadata"].get("deletionTimestamp")
    assert worker.bench.list("secrets") == []
