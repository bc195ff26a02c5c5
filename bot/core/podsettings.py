"""What the administrator decides of build pods, as values: the section `kubernetes` of the central
config, with `secrets` and `registries` as pods need them. A repository's file reaches none of it
but processors and memory, up to `most`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

_QUANTITY = re.compile(r"([1-9][0-9]{0,15})(Ki|Mi|Gi|Ti|)")
_FACTOR = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class PodMistake(Exception):
    """No such pod can be made; the text says why and what to do. Trying again does not help."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Of the build itself. cpu in processors (decimal), the others as Kubernetes writes bytes.

    There is no processor limit: it would slow compression down for nothing. Memory is requested as
    it is limited, so that a build is never the first to be evicted for it.
    """

    cpu: str = "1"
    memory: str = "4Gi"
    disk: str = "20Gi"
    source_disk: str = "4Gi"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key of a Kubernetes Secret in the build namespace."""

    secret: str
    key: str


@dataclass(frozen=True, slots=True)
class Untrusted:
    """Where approved code of strangers runs: on nodes of its own, or nowhere, unless
    `shared_nodes` says that the administrator takes the risk (a privileged pod is root on its
    node). `clone`: whether such a pod may hold the clone credential (private repositories)."""

    namespace: str
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, object], ...] = ()
    shared_nodes: bool = False
    clone: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """`mirrors`: registry host to addresses, `docker.io` included. `insecure`: hosts that are asked
    over plain HTTP. `ca_config_map` holds, under `ca.crt`, *all* certificates that are trusted: the
    system's and the private ones. `proxies`: HTTP_PROXY, HTTPS_PROXY, NO_PROXY."""

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    insecure: tuple[str, ...] = ()
    ca_config_map: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodSettings:
    """`override` is merged into the pod, see `podoverrides.py`; `start_seconds` is what pulling and
    starting may take besides the build's own timeout. `secrets`: build secrets by their name in the
    central config; `dockerd_memory` is the daemon's own, on top of what the build may use."""

    namespace: str
    builder_image: str
    dockerd_image: str
    untrusted: Untrusted | None = None
    default: Resources = Resources()
    most: Resources = Resources(cpu="8", memory="16Gi")
    dockerd_memory: str = "1Gi"
    builder_memory: str = "1Gi"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, object], ...] = ()
    runtime_class: str | None = None
    priority_class: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    network: Network = Network()
    secrets: Mapping[str, SecretKey] = field(default_factory=dict)
    builder_env: Mapping[str, str] = field(default_factory=dict)
    dockerd_env: Mapping[str, str] = field(default_factory=dict)
    override: Mapping[str, object] = field(default_factory=dict)
    start_seconds: int = 900


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """The cluster and its pods. `instance` names the installation, so that two can share a
    namespace; `kubeconfig` None: the service account of the pod that the bot runs in."""

    pods: PodSettings
    instance: str = "main"
    kubeconfig: str | None = None


def refusal(settings: PodSettings, *, trusted: bool) -> str | None:
    """Why such builds never run here; None where they do."""
    if trusted:
        return None
    untrusted = settings.untrusted
    if untrusted is None or untrusted.namespace == settings.namespace:
        return (
            "approved builds of forks need a namespace of their own: set "
            "`kubernetes.untrusted.namespace` in the central config"
        )
    if not untrusted.node_selector and not untrusted.shared_nodes:
        return (
            "a build pod is root on its node, so approved builds of forks run on nodes of their "
            "own only: set `kubernetes.untrusted.node-selector` (or sign "
            "`kubernetes.untrusted.shared-nodes: true`) in the central config"
        )
    if not untrusted.shared_nodes and _within(settings.node_selector, untrusted.node_selector):
        return (
            "every node that `kubernetes.node-selector` chooses for trusted builds takes those of "
            "forks, too: give `kubernetes.untrusted.node-selector` nodes of its own (or sign "
            "`kubernetes.untrusted.shared-nodes: true`) in the central config"
        )
    return None


def kept_off(settings: PodSettings) -> Mapping[str, str]:
    """Labels of the nodes on which approved builds of forks run and trusted ones must not; empty
    where nothing is to be kept apart, or the two selectors exclude one another anyhow."""
    untrusted = settings.untrusted
    if untrusted is None or untrusted.shared_nodes or refusal(settings, trusted=False):
        return {}
    trusted, labels = settings.node_selector, untrusted.node_selector
    if any(trusted.get(label, value) != value for label, value in labels.items()):
        return {}
    return labels


def _within(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether all nodes that `one` selects are nodes that `other` selects."""
    return all(one.get(label) == value for label, value in other.items())


def bytes_of(quantity: str) -> int:
    """`512Mi`, `4Gi` or plain bytes. Raises PodMistake."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise PodMistake(f"{quantity!r} is no size: write 512Mi or 4Gi")
    return int(found[1]) * _FACTOR[found[2]]


def smaller_size(wanted: object, default: str, most: str) -> str:
    """What a build asked for, within what the administrator allows."""
    size = wanted if isinstance(wanted, str) else default
    return size if bytes_of(size) <= bytes_of(most) else most


def smaller_cpu(wanted: object, default: str, most: str) -> str:
    cpu = wanted if isinstance(wanted, str) else default
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", cpu) or not Decimal(cpu):
        raise PodMistake(f"{cpu!r} is no number of processors: write 2 or 0.5")
    return cpu if Decimal(cpu) <= Decimal(most) else most
