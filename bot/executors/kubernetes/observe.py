"""What a pod's status says of the attempt in it. Total: any JSON has an answer, and none of them is
success but the builder's own result.

The container `docker` decides, never the phase: dockerd and what a mesh injects end later, and a
phase may be there before the statuses are. Order of evidence: a success that the builder told,
eviction, out of memory, the builder's result, exit code.
Facts: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and
https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.core.builds import (
    BuilderResult,
    Ended,
    NotThere,
    Observation,
    OutcomeClass,
    Running,
)
from bot.executors.kubernetes import evidence
from bot.executors.kubernetes.podstatus import Container, Pod, read_pod
from bot.executors.kubernetes.waiting import waiting
from bot.executors.results import read_result

_EXPLAINED_BY_MEMORY = frozenset(
    {
        OutcomeClass.STEP,
        OutcomeClass.DOCKERD_DOWN,
        OutcomeClass.INTERNAL,
        OutcomeClass.CANCELLED,
        OutcomeClass.OUT_OF_MEMORY,
        OutcomeClass.REGISTRY_UNAVAILABLE,
    }
)
"""What a builder says when dockerd, or a step of it, was killed for memory."""

_EXPLAINED_BY_DISRUPTION = frozenset(
    {
        OutcomeClass.CANCELLED,
        OutcomeClass.DOCKERD_DOWN,
        OutcomeClass.INTERNAL,
        OutcomeClass.FETCH_NETWORK,
        OutcomeClass.REGISTRY_UNAVAILABLE,
        OutcomeClass.OUT_OF_DISK,
    }
)
"""What a builder may still say on a node that is going away. A Dockerfile that is wrong stays
wrong, wherever it is built."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `pull`: from when the pod has a node until images that can't be pulled, or
    containers that can't be made, end the attempt. `silence`: until a kubelet that should have
    ended a pod, or told the containers' ends, is given up."""

    pull: float = 300.0
    silence: float = 60.0


DEFAULT = Patience()


def observe(
    pod: Mapping[str, object] | None,
    now: float,
    events: Sequence[Mapping[str, object]] = (),
    patience: Patience = DEFAULT,
) -> Observation:
    """`now`: seconds since the epoch by the API server's clock where it is known (the Date of its
    answer), else ours. `events`: the pod's, for the reason of waiting; none are needed."""
    if not isinstance(pod, Mapping):
        return NotThere()
    seen = read_pod(pod)
    if seen.builder.ended is not None:
        return _ended(seen, seen.builder)
    verdict = evidence.disruption(seen) or evidence.silence(seen, now, patience.silence)
    if verdict is not None:
        return Ended(None, verdict.cause, verdict.outcome)
    if seen.builder.running:
        started = seen.builder.started or seen.started
        return Running(now if started is None else min(started, now))
    if seen.finished:
        # The statuses follow; `evidence.silence` ends the waiting for them.
        return Running(now if seen.started is None else min(seen.started, now))
    return waiting(seen, now, events, patience.pull)


def _ended(pod: Pod, builder: Container) -> Ended:
    result = read_result(builder.ended.message) if builder.ended else None
    if result is not None and result.outcome is OutcomeClass.SUCCEEDED:
        return Ended(result, outcome=result.outcome)
    for verdict, explained in (
        (evidence.disruption(pod), _EXPLAINED_BY_DISRUPTION),
        (evidence.memory(pod), _EXPLAINED_BY_MEMORY),
    ):
        if verdict is not None and (result is None or result.outcome in explained):
            return _instead(verdict, result)
    if result is not None:
        return _with_daemon(pod, result)
    verdict = evidence.silent_end(pod)
    return Ended(None, verdict.cause, verdict.outcome)


def _instead(verdict: evidence.Verdict, result: BuilderResult | None) -> Ended:
    """The cluster's reason, with what the builder knows besides: the line, phases, the cache."""
    if result is None or result.outcome is OutcomeClass.CANCELLED:
        # Cancelled is what a builder says that was told to stop, not why it was.
        return Ended(None, verdict.cause, verdict.outcome)
    said = f"{verdict.cause}; the builder says: {result.message}"
    told = replace(result, outcome=verdict.outcome, message=said)
    return Ended(told, verdict.cause, verdict.outcome)


def _with_daemon(pod: Pod, result: BuilderResult) -> Ended:
    if result.outcome is OutcomeClass.DOCKERD_DOWN and (words := evidence.last_words(pod)):
        result = replace(result, message=f"{result.message}; dockerd: {words}")
    return Ended(result, outcome=result.outcome)
