"""A GitHub App as it is registered from a manifest, and what GitHub tells of it once.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlencode

from bot.core import hostneeds
from bot.core.centralconfig import Source
from bot.core.hostneeds import Event, Permission

NAME_LIMIT: Final = 34
"""Characters of an App's name, which no other App of the host may have."""
STATE_SECONDS: Final = 600.0
"""How long GitHub's answer is waited for; its code is good for an hour."""
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ORGANIZATION: Final = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")


@dataclass(frozen=True, slots=True)
class WantedApp:
    """The App that a source needs. `hook_url` takes its webhooks, `home` is the bot's own address;
    `organization` None: it belongs to the person who registers it."""

    source: Source
    name: str
    home: str
    hook_url: str
    organization: str | None = None

    @property
    def permissions(self) -> tuple[Permission, ...]:
        return hostneeds.github_permissions(checks=self.source.reports == "checks")

    @property
    def events(self) -> tuple[Event, ...]:
        """Re-run buttons need no subscription: an App that may write checks is sent its own, and
        with one it would be sent every check run of every other App besides."""
        return hostneeds.GITHUB_EVENTS


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """What GitHub answers to the code, once. `page` is the App's own page at the host, `login` its
    user, whose comments are the bot's."""

    id: int
    name: str
    login: str
    owner: str
    page: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)

    @property
    def installation(self) -> str:
        """Where it is installed; the same below `/github-apps/` of an Enterprise Server."""
        return f"{self.page}/installations/new"


def default_name(organization: str | None) -> str:
    return f"pushwright-{organization}"[:NAME_LIMIT] if organization else "pushwright"


def is_organization(text: str) -> bool:
    return _ORGANIZATION.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """What may be a code of GitHub's: it goes into an address."""
    return _CODE.fullmatch(text) is not None


def manifest(app: WantedApp, return_to: str) -> Mapping[str, Any]:
    """What the form sends. `return_to`: where GitHub sends the browser with the code."""
    return {
        "name": app.name,
        "url": app.home,
        "description": "Turns pushes into container images.",
        "hook_attributes": {"url": app.hook_url, "active": True},
        "redirect_url": return_to,
        "public": False,
        "default_permissions": {one.key: one.access for one in app.permissions},
        "default_events": [one.key for one in app.events],
    }


def form_address(app: WantedApp, state: str) -> str:
    """Where the form is sent to."""
    whose = f"/organizations/{quote(app.organization, safe='')}" if app.organization else ""
    return f"{app.source.url}{whose}/settings/apps/new?{urlencode({'state': state})}"


class StateFault(StrEnum):
    """Why a browser that comes back from GitHub is not the one that was sent there."""

    WRONG = "wrong"
    USED = "used"
    LATE = "late"


@dataclass(slots=True)
class OneTimeState:
    """The random text that comes back with the code: good once, until `until` (monotonic seconds).
    A wrong one spends nothing, so that nobody can spend it for somebody else."""

    value: str = field(repr=False)
    until: float
    used: bool = False

    def spend(self, given: str, now: float) -> StateFault | None:
        if not hmac.compare_digest(given.encode(), self.value.encode()):
            return StateFault.WRONG
        if self.used:
            return StateFault.USED
        if now > self.until:
            return StateFault.LATE
        self.used = True
        return None
