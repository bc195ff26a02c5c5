"""What an API server's answers mean for builds. Pure: answers in, findings out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.findings import About, Finding
from bot.doctor.affinity import in_affinity, required
from bot.doctor.quantities import amounts, pod_asks, shown_all
from bot.executors.kubernetes.manifest import DOCKERD
from bot.executors.kubernetes.reading import line_of, mapping, mappings, text_of

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Instead of an object: it is not there (`missing`), this account may not see it
    (`forbidden`), or the answer was none."""

    said: str
    missing: bool = False
    forbidden: bool = False

    @property
    def why(self) -> str:
        return "this account may not read it" if self.forbidden else f"not read: {self.said}"


OLDEST = (1, 29)
"""Native sidecars: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/"""

_LEVEL = "pod-security.kubernetes.io/enforce"
_LABEL_NODES = (
    "label a node so, tolerate its taint, or mend kubernetes.node-selector, "
    "untrusted.node-selector and the affinity of kubernetes.pod"
)
OTHERS = "who may read it can tell: run doctor with an administrator's kubeconfig"


def version(found: Json) -> Finding:
    """`/version`: major and minor are texts, the minor one of managed clusters ends in `+`."""
    about = About("cluster", "version")
    text = line_of(found.get("gitVersion"), 60)
    numbers = re.match(r"v?(\d{1,4})\.(\d{1,4})", text)
    if numbers is None:
        return about.unknown(f"the API server calls itself {text or 'nothing'}")
    if (int(numbers[1]), int(numbers[2])) < OLDEST:
        what = f"Kubernetes {text} has no native sidecars, which build pods need"
        return about.fail(what, "upgrade the cluster to 1.29 or later")
    return about.ok(f"Kubernetes {text}")


def namespace(name: str, found: Json | Hidden) -> Finding:
    """That it is there, and which pods its Pod Security label lets in."""
    about = About("cluster", f"namespace {name}")
    if isinstance(found, Hidden) and found.missing:
        return about.fail("it does not exist", f"kubectl create namespace {name}, or helm upgrade")
    if isinstance(found, Hidden):
        return about.unknown(f"{found.why}; the dry run shows what it lets in")
    if text_of(mapping(found.get("status")).get("phase")) == "Terminating":
        return about.fail("it is being removed", "wait for its end, then make it again")
    level = text_of(mapping(mapping(found.get("metadata")).get("labels")).get(_LEVEL))
    if level in ("baseline", "restricted"):
        remedy = f"kubectl label namespace {name} {_LEVEL}=privileged --overwrite"
        return about.fail(f"its Pod Security label is {level}, dockerd needs privileged", remedy)
    return about.ok(f"Pod Security: {level or 'no label, the default of the cluster holds'}")


def permissions(name: str, refused: Sequence[tuple[str, str]], untold: Sequence[str]) -> Finding:
    """`refused`: (resource, verb) that this account may not; `untold`: that was not answered."""
    about = About("cluster", f"permissions in {name}")
    if refused:
        by_resource: dict[str, list[str]] = {}
        for resource, verb in refused:
            by_resource.setdefault(resource, []).append(verb)
        text = "; ".join(f"{', '.join(verbs)} {one}" for one, verbs in by_resource.items())
        remedy = f"add them to the bot's Role in {name} (docs/secure.md has all of it)"
        return about.fail(f"this account may not: {text}", remedy)
    if untold:
        return about.unknown(f"not told for: {', '.join(untold)}")
    return about.ok("all that the bot uses, by the cluster's own word")


def more_than_needed(*, allowed: bool) -> Finding | None:
    """Whoever gets hold of the worker gets what it may."""
    if not allowed:
        return None
    return About("cluster", "account").warn(
        "this account may read every Secret of kube-system, which the bot never needs",
        "give the worker a service account with the chart's Role and no other binding",
    )


def dry_run(name: str, found: Json | Hidden) -> Finding:
    """A build pod that the API server took with `dryRun=All`, or why it did not."""
    about = About("cluster", f"build pod in {name}")
    if isinstance(found, Hidden):
        return about.fail(found.said, "see docs/doctor.md, When the cluster refuses the pod")
    dockerd = next(
        (
            one
            for one in mappings(mapping(found.get("spec")).get("initContainers"))
            if one.get("name") == DOCKERD
        ),
        None,
    )
    if dockerd is None or dockerd.get("restartPolicy") != "Always":
        text = "taken, and then changed: dockerd is no sidecar any more"
        return about.fail(text, "exclude the build namespace from mutating webhooks")
    if mapping(dockerd.get("securityContext")).get("privileged") is not True:
        text = "taken, and then changed: dockerd is not privileged any more"
        return about.fail(text, "exclude the build namespace from mutating webhooks")
    return about.ok("the API server takes it (dry run)")


def quotas(name: str, found: Json | Hidden, pod: Json, wanted: int) -> Finding:
    """How many builds the namespace's quotas leave room for. `wanted`: `limits.builds`."""
    about = About("cluster", f"quota of {name}")
    if isinstance(found, Hidden):
        return about.unknown(found.why, OTHERS)
    room, by = _room(found, _asked(pod))
    if room is None:
        return about.ok("none that counts for build pods")
    text = f"room for {room} more builds at once ({by})"
    if room < 1:
        return about.warn(text, "raise the quota, unless builds run right now")
    if room < wanted:
        return about.warn(f"{text}; limits.builds is {wanted}", "raise the one or lower the other")
    return about.ok(text)


def _asked(pod: Json) -> dict[str, Decimal]:
    """What one build takes from a quota, by the quota's own names."""
    requests, limits = pod_asks(pod, "requests"), pod_asks(pod, "limits")
    one = Decimal(1)
    counted = {"pods": one, "count/pods": one, "secrets": one, "count/secrets": one}
    return {
        **counted,
        **requests,
        **{f"requests.{key}": value for key, value in requests.items()},
        **{f"limits.{key}": value for key, value in limits.items()},
    }


def _room(found: Json, asked: Mapping[str, Decimal]) -> tuple[int | None, str]:
    """The number of builds, and the line of the quota that sets it."""
    least: tuple[int, str] | None = None
    for quota in mappings(found.get("items")):
        status = mapping(quota.get("status"))
        hard, used = amounts(status.get("hard")), amounts(status.get("used"))
        for key, limit in hard.items():
            if not asked.get(key):
                continue
            builds = int((limit - used.get(key, Decimal(0))) / asked[key])
            if least is None or builds < least[0]:
                least = max(0, builds), key
    return least if least is not None else (None, "")


def nodes(name: str, found: Json | Hidden, pod: Json) -> Finding:
    """Whether any node could ever take a build pod, by its selector, affinity, taints and size.
    What runs there now is not counted."""
    about = About("cluster", f"nodes for {name}")
    if isinstance(found, Hidden):
        return about.unknown(found.why, OTHERS)
    spec, asks = mapping(pod.get("spec")), pod_asks(pod, "requests")
    every = mappings(found.get("items"))
    chosen = [one for one in every if _selected(one, spec)]
    if not chosen:
        asked = [f"{k}={v}" for k, v in mapping(spec.get("nodeSelector")).items()]
        asked += [] if required(spec) is None else ["node affinity"]
        why = ", ".join(asked) or "all are tainted"
        text = f"none of {len(every)} nodes is free for builds ({why})"
        return about.fail(text, _LABEL_NODES)
    fitting = [one for one in chosen if _fits(one, asks)]
    if fitting:
        return about.ok(f"{len(fitting)} of {len(every)} could take a build ({shown_all(asks)})")
    rooms = [amounts(mapping(one.get("status")).get("allocatable")) for one in chosen]
    largest = {key: max(room.get(key, asks[key]) for room in rooms) for key in asks}
    short = {key: value for key, value in largest.items() if value < asks[key]}
    most = shown_all(short or largest)
    text = f"a build asks for {shown_all(asks)}; no node has that (most: {most})"
    return about.fail(text, "lower kubernetes.resources, or add a larger node")


def _selected(node: Json, spec: Json) -> bool:
    labels = mapping(mapping(node.get("metadata")).get("labels"))
    wanted = mapping(spec.get("nodeSelector"))
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    inner = mapping(node.get("spec"))
    if inner.get("unschedulable") is True:
        return False
    if not in_affinity(node, spec):
        return False
    tolerations = mappings(spec.get("tolerations"))
    taints = [
        one for one in mappings(inner.get("taints")) if one.get("effect") != "PreferNoSchedule"
    ]
    return all(any(_tolerates(t, taint) for t in tolerations) for taint in taints)


def _tolerates(toleration: Json, taint: Json) -> bool:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key = toleration.get("key") or ""
    if toleration.get("operator") == "Exists":
        return key in ("", taint.get("key"))
    return key == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")


def _fits(node: Json, asks: Mapping[str, Decimal]) -> bool:
    room = amounts(mapping(node.get("status")).get("allocatable"))
    # A node that does not tell its disk does not count it either.
    return all(room.get(key, value) >= value for key, value in asks.items())


def policies(name: str, found: Json | Hidden) -> Finding:
    """Whether anything keeps builds from the rest of the network, on paper."""
    about = About("cluster", f"network policies of {name}")
    if isinstance(found, Hidden):
        return about.unknown(found.why, f"{OTHERS}, or try --deep")
    names = [
        line_of(mapping(one.get("metadata")).get("name"), 60)
        for one in mappings(found.get("items"))
    ]
    if not names:
        text = "there is none: builds reach everything that pods reach"
        return about.warn(text, "install the chart's (networkPolicy.enabled), or your own")
    return about.ok(f"{', '.join(sorted(names))}; whether your network enforces them: --deep")


def thing(name: str, what: str, found: bool | Hidden, why: str) -> Finding:
    """A Secret or ConfigMap that build pods mount: `what` is `Secret npm`."""
    about = About("cluster", what)
    if isinstance(found, Hidden) and not found.missing:
        return about.unknown(f"{found.why} in {name}", OTHERS)
    if found is not True:
        return about.fail(f"it is not in {name}; {why}", f"create it in {name}")
    return about.ok(f"it is in {name}")
