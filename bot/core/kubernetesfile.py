"""The section `kubernetes` read into values, with what pods need of registries and secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from bot.core import kuberneteskeys as keys
from bot.core.centralconfig import RegistryRule, SecretRule
from bot.core.forms import Fields
from bot.core.mistakes import Mark, Notes
from bot.core.podsettings import (
    Kubernetes,
    Network,
    PodSettings,
    Resources,
    Untrusted,
    bytes_of,
    refusal,
)

DOCKERD_IMAGE = "docker:29-dind"
_NOTHING = Fields({}, {}, Mark(1, 1))


def read_kubernetes(
    fields: Fields,
    place: Callable[[str], str],
    registries: Mapping[str, RegistryRule],
    secrets: Mapping[str, SecretRule],
    notes: Notes,
) -> Kubernetes:
    """What cannot be used is in `notes` afterwards; then the value is not."""
    default, most, memory = _resources(fields, notes)
    usual = PodSettings("", "", "")
    pods = PodSettings(
        namespace=fields.get(keys.NAMESPACE) or "",
        builder_image=fields.get(keys.BUILDER_IMAGE) or "",
        dockerd_image=fields.get(keys.DOCKERD_IMAGE) or DOCKERD_IMAGE,
        untrusted=_untrusted(fields.get(keys.UNTRUSTED_KEY)),
        default=default,
        most=most,
        dockerd_memory=memory.get(keys.DOCKERD_MEMORY) or usual.dockerd_memory,
        builder_memory=memory.get(keys.BUILDER_MEMORY) or usual.builder_memory,
        node_selector=fields.get(keys.NODE_SELECTOR) or {},
        tolerations=_tolerations(fields),
        runtime_class=fields.get(keys.RUNTIME_CLASS),
        priority_class=fields.get(keys.PRIORITY_CLASS),
        image_pull_secrets=fields.get(keys.PULL_SECRETS) or (),
        network=_network(fields, registries),
        secrets={name: one.key for name, one in secrets.items() if one.key is not None},
        builder_env=fields.get(keys.BUILDER_ENV) or {},
        dockerd_env=fields.get(keys.DOCKERD_ENV) or {},
        override=fields.get(keys.POD) or {},
        start_seconds=fields.get(keys.START) or usual.start_seconds,
    )
    if fields.has(keys.UNTRUSTED_KEY) and (why := refusal(pods, trusted=False)):
        notes.warn(fields.place(keys.UNTRUSTED_KEY), why)
    path = fields.get(keys.KUBECONFIG)
    return Kubernetes(
        pods=pods,
        instance=fields.get(keys.INSTANCE) or "main",
        kubeconfig=None if path is None else place(path),
    )


def _resources(fields: Fields, notes: Notes) -> tuple[Resources, Resources, Fields]:
    told = fields.get(keys.RESOURCES_KEY) or _NOTHING
    usual, usual_most = Resources(), PodSettings("", "", "").most
    default = Resources(
        cpu=told.get(keys.CPU) or usual.cpu,
        memory=told.get(keys.MEMORY) or usual.memory,
        disk=told.get(keys.DISK) or usual.disk,
        source_disk=told.get(keys.SOURCE_DISK) or usual.source_disk,
    )
    most = Resources(
        cpu=told.get(keys.CPU_MOST) or usual_most.cpu,
        memory=told.get(keys.MEMORY_MOST) or usual_most.memory,
    )
    if Decimal(default.cpu) > Decimal(most.cpu):
        notes.wrong(told.place(keys.CPU), "`cpu` is more than `cpu-max`", "raise cpu-max")
    if bytes_of(default.memory) > bytes_of(most.memory):
        hint = "raise memory-max"
        notes.wrong(told.place(keys.MEMORY), "`memory` is more than `memory-max`", hint)
    return default, most, told


def _untrusted(fields: Fields | None) -> Untrusted | None:
    if fields is None:
        return None
    return Untrusted(
        namespace=fields.get(keys.NAMESPACE) or "",
        node_selector=fields.get(keys.NODE_SELECTOR) or {},
        tolerations=_tolerations(fields),
        shared_nodes=fields.get(keys.SHARED_NODES) or False,
        clone=fields.get(keys.CLONE) or False,
    )


def _tolerations(fields: Fields) -> tuple[Mapping[str, object], ...]:
    return tuple(dict(one.values) for one in fields.get(keys.TOLERATIONS) or ())


def _network(fields: Fields, registries: Mapping[str, RegistryRule]) -> Network:
    proxies = fields.get(keys.PROXIES_KEY) or _NOTHING
    told = {
        "HTTP_PROXY": proxies.get(keys.HTTP_PROXY),
        "HTTPS_PROXY": proxies.get(keys.HTTPS_PROXY),
        "NO_PROXY": proxies.get(keys.NO_PROXY),
    }
    return Network(
        mirrors={host: rule.mirrors for host, rule in registries.items() if rule.mirrors},
        insecure=tuple(sorted(host for host, rule in registries.items() if rule.insecure)),
        ca_config_map=fields.get(keys.CA_CONFIG_MAP),
        proxies={name: value for name, value in told.items() if value},
    )
