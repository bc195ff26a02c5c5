"""Webhooks as they are at a host and as they have to be: what differs, and what mends it.

A hook is ours when its address is ours; any other is somebody else's and is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from bot.core.centralconfig import CentralConfig, Source
from bot.core.hostneeds import GITEA_EVENTS, GITHUB_EVENTS, GITLAB_EVENTS, Event
from bot.core.ids import HostKind

MANY_FAILED = 3
"""Of the last deliveries; fewer may be a restart."""


@dataclass(frozen=True, slots=True)
class WantedHook:
    """`signed`: the host signs with a key (GitLab); else it sends or signs with the secret."""

    url: str
    events: tuple[Event, ...]
    signed: bool = False

    @property
    def verify_tls(self) -> bool:
        return self.url.startswith("https://")


@dataclass(frozen=True, slots=True)
class FoundHook:
    """A hook as the host shows it. None: the host does not tell. `disabled`: why the host sends
    nothing to it now; `failed` of the `looked` last deliveries were refused, the newest with
    `last_code` (0: nobody answered)."""

    id: int
    url: str
    events: frozenset[str]
    active: bool = True
    secret: bool | None = None
    signed: bool | None = None
    json: bool = True
    verify_tls: bool = True
    disabled: str | None = None
    failed: int = 0
    looked: int = 0
    last_code: int | None = None


class HookFault(StrEnum):
    """What is wrong with a hook of ours."""

    EVENTS = "events"
    INACTIVE = "inactive"
    DISABLED = "disabled"
    SECRET = "secret"  # noqa: S105  a word
    REFUSED = "refused"
    FORM = "form"
    TLS = "tls"
    FAILING = "failing"


SERIOUS = frozenset({HookFault.INACTIVE, HookFault.DISABLED, HookFault.SECRET, HookFault.REFUSED})
"""With one of these no event arrives. Missing events may be as bad, see `events_needed`."""

MENDED = frozenset(HookFault) - {HookFault.FAILING}
"""What writing the hook anew puts right. Where nobody answers, the address has to be."""


_EVENTS: Mapping[HostKind, tuple[Event, ...]] = {
    HostKind.GITHUB: GITHUB_EVENTS,
    HostKind.GITLAB: GITLAB_EVENTS,
    HostKind.GITEA: GITEA_EVENTS,
}


def webhook_url(config: CentralConfig, source: Source) -> str:
    return f"{config.public_url.rstrip('/')}/webhooks/{source.name}"


def wanted_hook(config: CentralConfig, source: Source) -> WantedHook:
    """Of one repository; a GitHub App has one hook for all instead."""
    url, signed = webhook_url(config, source), bool(source.signing_key_files)
    return WantedHook(url, _EVENTS[source.kind], signed=signed)


def ours(wanted: WantedHook, hooks: Sequence[FoundHook]) -> list[FoundHook]:
    """The hooks at our address, the oldest first."""
    return sorted((h for h in hooks if same_address(h.url, wanted.url)), key=lambda h: h.id)


def same_address(one: str, other: str) -> bool:
    """Scheme and host in any case, a slash at the end or none. Nothing else: a query may be what
    tells somebody else's hook from ours."""
    return _address(one) == _address(other)


def _address(url: str) -> tuple[str, str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "", url, ""
    return parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/"), parts.query


def faults(wanted: WantedHook, found: FoundHook) -> frozenset[HookFault]:
    """All that is wrong with a hook of ours."""
    protected = found.signed if wanted.signed else found.secret
    wrong = {
        HookFault.EVENTS: bool(missing_events(wanted.events, found.events)),
        HookFault.INACTIVE: not found.active,
        HookFault.DISABLED: found.disabled is not None,
        HookFault.SECRET: protected is False,
        HookFault.REFUSED: found.last_code == 401,
        HookFault.FORM: not found.json,
        HookFault.TLS: wanted.verify_tls and not found.verify_tls,
        HookFault.FAILING: found.failed >= MANY_FAILED and found.last_code != 401,
    }
    return frozenset(fault for fault, there in wrong.items() if there)


def missing_events(needed: Sequence[Event], found: frozenset[str]) -> tuple[Event, ...]:
    return () if "*" in found else tuple(one for one in needed if one.key not in found)


@dataclass(frozen=True, slots=True)
class Create:
    """There is no hook at our address."""


@dataclass(frozen=True, slots=True)
class Repair:
    """`why`: in the order of `HookFault`; none where only the secret is written again."""

    hook: FoundHook
    why: tuple[HookFault, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    hook: FoundHook


HookStep = Create | Repair | Keep


def plan_hook(
    wanted: WantedHook, hooks: Sequence[FoundHook], *, secret: bool = False
) -> tuple[HookStep, ...]:
    """One step for each hook of ours, or one that makes it. `secret`: write it again in any case,
    since no host shows which one it holds."""
    found = ours(wanted, hooks)
    if not found:
        return (Create(),)
    steps: list[HookStep] = []
    for hook in found:
        wrong = faults(wanted, hook) & MENDED
        why = tuple(fault for fault in HookFault if fault in wrong)
        steps.append(Repair(hook, why) if why or secret else Keep(hook))
    return tuple(steps)
