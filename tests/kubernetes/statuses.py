"""Pod statuses as kubelet, scheduler and controllers write them, and what each of them means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bot.core.builds import OutcomeClass as Kind
from bot.executors.kubernetes.manifest import build_pod
from tests.kubernetes.scene import attempt, identity, settings

DIGEST = "sha256:" + "d" * 64
AT = "2026-03-01T10:00:00Z"
START = 1772359200.0
NOW = START + 30
OOM = {"exitCode": 137, "reason": "OOMKilled"}
OWN_DISK = "Pod ephemeral local storage usage exceeds the total limit of containers 24Gi. "
LOW = "The node was low on resource: ephemeral-storage. Container dind was using 9Gi"


def result(kind: str, message: str = "said", **more: Any) -> str:
    return json.dumps({"version": 1, "class": kind, "message": message, **more})


SUCCESS = result("succeeded", "built and pushed", digest=DIGEST)


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": AT,
    }


SCHEDULED = condition("PodScheduled", "True")


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


RUNS: dict[str, Any] = {"running": {"startedAt": AT}}


def ended(code: int = 0, message: str = "", reason: str = "") -> dict[str, Any]:
    known = reason or ("Completed" if code == 0 else "Error")
    return {"terminated": {"exitCode": code, "reason": known, "message": message}}


def pod(
    phase: str = "Running",
    docker: dict[str, Any] | None = None,
    dind: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    conditions: list[dict[str, Any]] | None = None,
    **status: Any,
) -> dict[str, Any]:
    made: dict[str, Any] = build_pod(attempt(), settings(), identity())
    deleted = status.pop("deleted", None)
    if deleted:
        made["metadata"]["deletionTimestamp"] = deleted
    made["spec"]["nodeName"] = status.pop("node", "node7") or None
    others = status.pop("others", [])
    told: dict[str, Any] = {"phase": phase, "startTime": AT, **status}
    told["conditions"] = [SCHEDULED] if conditions is None else conditions
    if docker is not None:
        told["containerStatuses"] = [{"name": "docker", "state": docker}, *others]
    if dind is not None:
        one: dict[str, Any] = {"name": "dind", "state": dind, "restartCount": 1 if last else 0}
        told["initContainerStatuses"] = [one | ({"lastState": last} if last else {})]
    return made | {"status": told}


def unscheduled(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    return pod("Pending", node="", conditions=[condition("PodScheduled", "False", reason, message)])


def disrupted(why: str, message: str, **more: Any) -> dict[str, Any]:
    found = [SCHEDULED, condition("DisruptionTarget", "True", why, message)]
    return pod("Failed", conditions=found, **more)


@dataclass(frozen=True, slots=True)
class Case:
    """`expect`: pending, running, a class. `words`: part of what people read."""

    name: str
    pod: dict[str, Any] | None
    expect: str
    words: str = ""
    later: float = 0.0
    events: tuple[dict[str, Any], ...] = ()


def _blocked(reason: str, message: str = "", who: str = "dind") -> dict[str, Any]:
    if who == "dind":
        return pod("Pending", waits("PodInitializing"), waits(reason, message))
    return pod("Pending", waits(reason, message), RUNS)


def _event(reason: str, message: str, field: str = "") -> dict[str, Any]:
    return {"reason": reason, "message": message, "involvedObject": {"fieldPath": field}}


CREATING = pod("Pending", waits("PodInitializing"), waits("ContainerCreating"))
CASES = [
    Case("no pod", None, "gone"),
    Case("just created", pod("Pending", node="", conditions=[]), "pending", "waiting for a node"),
    Case("no memory", unscheduled("0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found."), "pending", "waiting for a node: insufficient memory"),  # noqa: E501
    Case("no cpu, taints", unscheduled("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {pool: db}."), "pending", "insufficient cpu, taint pool: db"),  # noqa: E501
    Case("no such label", unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."), "pending", "no node has the labels"),  # noqa: E501
    Case("too many pods", unscheduled("0/1 nodes are available: 1 Too many pods."), "pending", "too many pods"),  # noqa: E501
    Case("cordoned", unscheduled("0/1 nodes are available: 1 node(s) were unschedulable."), "pending", "cordoned"),  # noqa: E501
    Case("no nodes", unscheduled("no nodes available to schedule pods"), "pending", "no nodes available"),  # noqa: E501
    Case("unscheduled, unsaid", unscheduled(""), "pending", "waiting for a node"),
    Case("gated", unscheduled("x", "SchedulingGated"), "pending", "scheduling gate"),
    Case("creating", CREATING, "pending", "images are pulled"),
    Case("builder creating", _blocked("PodInitializing", who="docker"), "pending", "pulling the builder image"),  # noqa: E501
    Case("pulling event", CREATING, "pending", "pulling the dockerd image", events=(_event("Pulling", "", "spec.initContainers{dind}"),)),  # noqa: E501
    Case("mount event", CREATING, "pending", 'secret "npm" not found', events=(_event("FailedMount", 'MountVolume.SetUp failed: secret "npm" not found'), _event("Scheduled", ""))),  # noqa: E501
    Case("mount event, whose volume has a long name", CREATING, "pending", 'waiting for a volume: secret "b" not found', events=(_event("FailedMount", 'MountVolume.SetUp failed for volume "a-volume" : secret "b" not found'),)),  # noqa: E501
    Case("sandbox event", CREATING, "pending", "can't start the pod", events=(_event("FailedCreatePodSandBox", "cni"),)),  # noqa: E501
    Case("pull error", _blocked("ErrImagePull", "429 Too Many Requests"), "pending", "dockerd image can't be pulled"),  # noqa: E501
    Case("pull back-off", _blocked("ImagePullBackOff", 'Back-off pulling "x"', "docker"), "pending", "builder image can't be pulled"),  # noqa: E501
    Case("pull back-off, long", _blocked("ImagePullBackOff", 'Back-off pulling "x"', "docker"), Kind.BUILDER_LOST, "Back-off", later=400),  # noqa: E501
    Case("bad image name", _blocked("InvalidImageName", "could not parse"), Kind.ADMISSION_DENIED, "could not parse"),  # noqa: E501
    Case("image never pulled", _blocked("ErrImageNeverPull"), Kind.ADMISSION_DENIED, "can't be used"),  # noqa: E501
    Case("secret missing", _blocked("CreateContainerConfigError", 'secret "s" not found', "docker"), "pending", 'secret "s" not found', later=9e4),  # noqa: E501
    Case("create error", _blocked("CreateContainerError", "context deadline"), "pending", "container dind does not start"),  # noqa: E501
    Case("create error, long", _blocked("CreateContainerError"), Kind.BUILDER_LOST, "does not start", later=400),  # noqa: E501
    Case("run error, long", _blocked("RunContainerError", "runc", "docker"), Kind.BUILDER_LOST, "runc", later=400),  # noqa: E501
    Case("dockerd crashes early", pod("Pending", waits("PodInitializing"), waits("CrashLoopBackOff"), ended(78, "mount an emptyDir")), "pending", "mount an emptyDir"),  # noqa: E501
    Case("unknown waiting", _blocked("SomethingNew", "later"), "pending", "SomethingNew"),
    Case("deleted early", pod("Pending", node="", conditions=[], deleted=AT), "pending", "removed"),
    Case("running", pod("Running", RUNS, RUNS), "running"),
    Case("running, dockerd restarted", pod("Running", RUNS, RUNS, ended(137)), "running"),
    Case("running, dockerd in back-off", pod("Running", RUNS, waits("CrashLoopBackOff"), ended(1)), "running"),  # noqa: E501
    Case("running, foreign sidecar ended", pod("Running", RUNS, RUNS, others=[{"name": "istio", "state": ended(1)}]), "running"),  # noqa: E501
    Case("running, being preempted", pod("Running", RUNS, RUNS, deleted=AT, conditions=[condition("DisruptionTarget", "True", "PreemptionByScheduler", "")]), "running"),  # noqa: E501
    Case("success", pod("Running", ended(0, SUCCESS), RUNS), Kind.SUCCEEDED),
    Case("success, foreign sidecar runs", pod("Running", ended(0, SUCCESS), RUNS, others=[{"name": "istio", "state": RUNS}]), Kind.SUCCEEDED),  # noqa: E501
    Case("success, then evicted", pod("Failed", ended(0, SUCCESS), ended(137), reason="Evicted", message=LOW), Kind.SUCCEEDED),  # noqa: E501
    Case("success, sidecar marked OOM", pod("Succeeded", ended(0, SUCCESS), {"terminated": OOM}), Kind.SUCCEEDED),  # noqa: E501
    Case("exit 0 and no result", pod("Succeeded", ended(0, ""), ended(0)), Kind.BUILDER_LOST, "exit code 0"),  # noqa: E501
    Case("exit 0 and nonsense", pod("Succeeded", ended(0, '{"class": "great"}'), ended(0)), Kind.BUILDER_LOST, "without a result"),  # noqa: E501
    Case("step failed", pod("Failed", ended(0, result("step", line={"file": "Dockerfile", "line": 3}))), Kind.STEP),  # noqa: E501
    Case("step exited 137", pod("Failed", ended(0, result("step", "exit code 137")), ended(0)), Kind.STEP),  # noqa: E501
    Case("child of a step killed", pod("Failed", ended(0, result("step", "exit code 2")), {"terminated": OOM}), Kind.OUT_OF_MEMORY, "the build ran out of memory (limit 2Gi)"),  # noqa: E501
    Case("dockerd killed, restarted", pod("Running", ended(0, result("dockerd-down")), RUNS, {"terminated": OOM}), Kind.OUT_OF_MEMORY, "the build ran out"),  # noqa: E501
    Case("builder killed", pod("Failed", {"terminated": OOM}, ended(0)), Kind.OUT_OF_MEMORY, "builder itself ran out of memory (limit 1Gi)"),  # noqa: E501
    Case("OOM explains no bad tag", pod("Failed", ended(0, result("unknown-target")), {"terminated": OOM}), Kind.UNKNOWN_TARGET),  # noqa: E501
    Case("foreign OOM", pod("Failed", ended(1), ended(0), others=[{"name": "istio", "state": {"terminated": OOM}}]), Kind.BUILDER_LOST, "istio ran out of memory"),  # noqa: E501
    Case("dockerd refused", pod("Running", ended(0, result("dockerd-down")), waits("CrashLoopBackOff"), ended(78, "pushwright: /var/lib/docker is overlay")), Kind.DOCKERD_DOWN, "/var/lib/docker is overlay"),  # noqa: E501
    Case("killed from outside", pod("Failed", ended(0, result("cancelled")), ended(0)), Kind.CANCELLED),  # noqa: E501
    Case("builder exit 137", pod("Failed", ended(137), ended(0)), Kind.BUILDER_LOST, "137"),
    Case("could not be started", pod("Failed", ended(128, "exec: python: not found", "StartError"), ended(0)), Kind.BUILDER_LOST, "python: not found"),  # noqa: E501
    Case("status unknown", pod("Failed", ended(137, "", "ContainerStatusUnknown")), Kind.NODE_LOST, "lost sight"),  # noqa: E501
    Case("evicted by the node", pod("Failed", reason="Evicted", message=LOW), Kind.EVICTED, "low on resource"),  # noqa: E501
    Case("evicted, builder cancelled", pod("Failed", ended(0, result("cancelled")), reason="Evicted", message="The node had condition: [MemoryPressure]. "), Kind.EVICTED, "MemoryPressure"),  # noqa: E501
    Case("own disk", pod("Failed", ended(0, result("cancelled")), reason="Evicted", message=OWN_DISK), Kind.OUT_OF_DISK, "24Gi"),  # noqa: E501
    Case("own volume", pod("Failed", reason="Evicted", message='Usage of EmptyDir volume "docker" exceeds the limit "20Gi". '), Kind.OUT_OF_DISK),  # noqa: E501
    Case("own container disk", pod("Failed", reason="Evicted", message='Container dind exceeded its local ephemeral storage limit "20Gi". '), Kind.OUT_OF_DISK),  # noqa: E501
    Case("a wrong Dockerfile stays wrong", pod("Failed", ended(0, result("dockerfile")), reason="Evicted", message=LOW), Kind.DOCKERFILE),  # noqa: E501
    Case("eviction before OOM", pod("Failed", {"terminated": OOM}, reason="Evicted", message=LOW), Kind.EVICTED),  # noqa: E501
    Case("preempted", disrupted("PreemptionByScheduler", "default-scheduler: preempting"), Kind.EVICTED, "higher priority"),  # noqa: E501
    Case("drained", disrupted("EvictionByEvictionAPI", "Eviction API: evicting", docker=ended(0, result("cancelled"))), Kind.EVICTED, "drained"),  # noqa: E501
    Case("node shut down", disrupted("TerminationByKubelet", "Pod was terminated in response to imminent node shutdown.", reason="Terminated"), Kind.EVICTED, "shutdown"),  # noqa: E501
    Case("taint manager", disrupted("DeletionByTaintManager", "Taint manager: deleting"), Kind.NODE_LOST),  # noqa: E501
    Case("pod garbage collector", disrupted("DeletionByPodGC", "PodGC: node no longer exists"), Kind.NODE_LOST, "its node is gone"),  # noqa: E501
    Case("unknown disruption", disrupted("SomethingNew", ""), Kind.EVICTED, "SomethingNew"),
    Case("disk told by condition", disrupted("TerminationByKubelet", OWN_DISK), Kind.OUT_OF_DISK),
    Case("phase Unknown", pod("Unknown", RUNS, RUNS), Kind.NODE_LOST, "node7 does not answer"),
    Case("NodeLost", pod("Running", RUNS, RUNS, reason="NodeLost", message="unresponsive"), Kind.NODE_LOST, "unresponsive"),  # noqa: E501
    Case("deletion not confirmed", pod("Running", RUNS, RUNS, deleted=AT), Kind.NODE_LOST, "does not confirm", later=40),  # noqa: E501
    Case("deadline", pod("Failed", ended(0, result("cancelled")), reason="DeadlineExceeded"), Kind.TIMEOUT, "deadline"),  # noqa: E501
    Case("deadline before the start", pod("Failed", waits("ContainerCreating"), reason="DeadlineExceeded"), Kind.BUILDER_LOST, "did not start"),  # noqa: E501
    Case("node without room", pod("Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"), Kind.EVICTED, "enough resource"),  # noqa: E501
    Case("node admission", pod("Failed", reason="UnexpectedAdmissionError"), Kind.EVICTED),
    Case("preempted by the kubelet", pod("Failed", reason="Preempting", message="to admit critical pod"), Kind.EVICTED),  # noqa: E501
    Case("sysctl", pod("Failed", reason="SysctlForbidden"), Kind.ADMISSION_DENIED),
    Case("phase first", pod("Succeeded", RUNS, RUNS), "running"),
    Case("phase first, no statuses", pod("Succeeded"), "running"),
    Case("phase alone for long", pod("Succeeded"), Kind.BUILDER_LOST, "no result", later=60),
    Case("failed phase for long", pod("Failed", RUNS), Kind.BUILDER_LOST, "no result", later=60),
]  # fmt: skip
