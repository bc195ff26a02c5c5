"""What the facts of a Git host mean: findings about the credential and what it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bot.core import hostneeds
from bot.core.centralconfig import Source
from bot.core.findings import About, Finding
from bot.core.hostfacts import (
    AppFacts,
    Credential,
    CredentialKind,
    Installation,
    RepositoryAccess,
)
from bot.core.hostneeds import Permission
from bot.core.ids import HostKind

SKEW_SECONDS = 60.0
"""GitHub takes an App's token whose time is in its own past; ours is issued a minute early."""
_SOON = 14 * 86400.0
_FEW = 0.1
_WRITE, _HOOKS = hostneeds.GITLAB_ROLE, hostneeds.GITLAB_HOOK_ROLE
_ADMIN = 50


def credential(source: Source, found: Credential, now: float) -> list[Finding]:
    """The credential itself, its clock and what is left of its requests."""
    about = About(source.name, "credential")
    findings = [_expiry(about, found, now)]
    match found.kind:
        case CredentialKind.APP | CredentialKind.FINE_GRAINED:
            pass  # permissions are listed by the App, or tried out in each repository
        case CredentialKind.CLASSIC:
            findings += _classic(source, found)
        case CredentialKind.GITEA:
            pass  # no answer lists its scopes; they are tried out in each repository
        case CredentialKind.GITLAB:
            findings += _gitlab_scope(source, found)
        case _:
            assert_never(found.kind)
    return [*findings, *_clock(source, found), *_quota(source, found)]


def _expiry(about: About, found: Credential, now: float) -> Finding:
    who = f"{found.kind.value} of {found.who}"
    if found.kind is CredentialKind.APP:
        return about.ok(f"GitHub App {found.who}")
    if found.expires is None:
        return about.ok(who)
    days = (found.expires - now) / 86400
    if days * 86400 < _SOON:
        text = f"{who} expires in {days:.0f} days" if days >= 1 else f"{who} expires within a day"
        return about.warn(text, "make a new one, write it into the file; it is read at each use")
    return about.ok(f"{who}, expires in {days:.0f} days")


def _classic(source: Source, found: Credential) -> list[Finding]:
    about, scopes = About(source.name, "scopes"), found.scopes or frozenset()
    lacking = hostneeds.classic_scope(scopes, private=True)
    shown = ", ".join(sorted(scopes)) or "none"
    if lacking is None:
        return [about.ok(shown)]
    if hostneeds.classic_scope(scopes, private=False) is None:
        text = f"{shown}: without the scope `repo` private repositories are not seen"
        return [about.warn(text, "tick `repo` in the token's settings, where any is private")]
    return [about.fail(f"{shown}: the scope `repo` is missing", "tick `repo` in its settings")]


def _gitlab_scope(source: Source, found: Credential) -> list[Finding]:
    about, needed = About(source.name, "scopes"), hostneeds.GITLAB_SCOPE
    if found.scopes is None:
        return [about.unknown("this GitLab does not tell a token's scopes")]
    shown = ", ".join(sorted(found.scopes)) or "none"
    if needed in found.scopes:
        return [about.ok(shown)]
    remedy = f"make a token with the scope `{needed}`: GitLab has no narrower one for statuses"
    return [about.fail(f"{shown}: the scope `{needed}` is missing", remedy)]


def _clock(source: Source, found: Credential) -> list[Finding]:
    about = About(source.name, "clock")
    if found.served is None:
        return []
    off = abs(found.served)
    if off <= SKEW_SECONDS:
        return [about.ok(f"within {max(1, round(off))} s of the host's")]
    side = "behind" if found.served > 0 else "ahead of"
    text = f"this machine is {off:.0f} s {side} the host"
    return [about.warn(text, "let it follow a time server; signatures of webhooks end after 300 s")]


def _quota(source: Source, found: Credential) -> list[Finding]:
    if found.left is None or not found.quota:
        return []
    about = About(source.name, "rate limit")
    text = f"{found.left} of {found.quota} requests left"
    if found.left < found.quota * _FEW:
        return [about.warn(text, "see who else uses this credential; the bot waits for the rest")]
    return [about.ok(text)]


# -- GitHub Apps ---------------------------------------------------------------------------


def app(source: Source, found: AppFacts) -> list[Finding]:
    """What the App asks for, and what its installations granted."""
    checks = source.reports == "checks"
    needed = hostneeds.github_permissions(checks=checks)
    about = About(source.name, "App permissions")
    lacking = hostneeds.lacking(needed, found.permissions)
    asked = about.ok(hostneeds.permission_names(needed))
    if lacking:
        asked = _lacking(
            about,
            "the App does not ask for",
            lacking,
            "set it in the App's settings under Permissions & events, then accept it where the "
            "App is installed",
        )
    return [asked, _app_events(source, found, checks=checks), *_installations(source, found)]


def _lacking(about: About, what: str, lacking: Sequence[Permission], remedy: str) -> Finding:
    """A failure, or a warning where the bot does without and something is lost."""
    text = f"{what} {hostneeds.permission_names(lacking)}"
    if any(one.needed for one in lacking):
        return about.fail(text, remedy)
    lost = "; ".join(one.use for one in lacking)
    return about.warn(f"{text}; it is for {lost}", remedy)


def _app_events(source: Source, found: AppFacts, *, checks: bool) -> Finding:
    about = About(source.name, "App events")
    # Apps that may write checks are sent these two without asking for them.
    implied = {"check_run", "check_suite"} if "checks" in found.permissions else set()
    missing = [
        event
        for event in hostneeds.app_events(checks=checks)
        if event.key not in found.events | implied
    ]
    names = ", ".join(event.title for event in missing)
    remedy = "tick them in the App's settings under Permissions & events"
    if any(event.needed for event in missing):
        return about.fail(f"not subscribed to: {names}", remedy)
    if missing:
        lost = "; ".join(event.use for event in missing)
        return about.warn(f"not subscribed to: {names}; not seen: {lost}", remedy)
    return about.ok(", ".join(event.title for event in hostneeds.app_events(checks=checks)))


def _installations(source: Source, found: AppFacts) -> list[Finding]:
    if not found.installations:
        text = "the App is installed nowhere"
        return [About(source.name, "installations").fail(text, "install it: App settings, Install")]
    return [_installation(source, one) for one in found.installations]


def _installation(source: Source, found: Installation) -> Finding:
    about = About(source.name, f"installed on {found.account}")
    if found.suspended:
        return about.fail("the installation is suspended", "unsuspend it in the account's settings")
    needed = hostneeds.github_permissions(checks=source.reports == "checks")
    lacking = hostneeds.lacking(needed, found.permissions)
    if lacking:
        remedy = "an owner of the account must accept the App's new permissions (Installed Apps)"
        return _lacking(about, "not granted:", lacking, remedy)
    text = "all permissions granted"
    if found.permissions.get("contents") != "write":
        text += "; comments on commits get no reaction, which would need Contents: write"
    return about.ok(text)


# -- repositories --------------------------------------------------------------------------


def access(source: Source, found: RepositoryAccess) -> Finding:
    """What the credential may do in one repository."""
    about = About(source.name, found.path)
    if found.archived:
        return about.warn("archived: nothing can be reported there", "take it off `repositories`")
    if source.kind is HostKind.GITLAB:
        return _gitlab_access(about, found)
    if source.kind is HostKind.GITEA:
        return _gitea_access(about, found)
    if found.level is not None and found.level < _WRITE:
        text = "the token's user may not write there, so no status can be set"
        return about.fail(text, f"give the user the Write role in {found.path}")
    return _tried(about, source, found)


def _tried(about: About, source: Source, found: RepositoryAccess) -> Finding:
    needed = hostneeds.github_permissions(checks=source.reports == "checks")
    refused = [one for one in needed if one.key in found.refused]
    if refused:
        text = f"the token lacks {hostneeds.permission_names(refused)}"
        return about.fail(text, "add it in the token's settings under Repository permissions")
    untold = [one for one in needed if one.key in found.untold]
    if untold:
        return about.unknown(f"could not be tried: {hostneeds.permission_names(untold)}")
    return about.ok("may be read, and statuses set" if found.level is not None else "installed")


def _gitlab_access(about: About, found: RepositoryAccess) -> Finding:
    level = found.level or 0
    role = hostneeds.GITLAB_ROLES.get(level, f"level {level}")
    if level < _WRITE:
        remedy = f"make the token's user a member of {found.path} with the Developer role"
        return about.fail(f"{role}: statuses need Developer", remedy)
    return about.ok(role)


def _gitea_access(about: About, found: RepositoryAccess) -> Finding:
    level = found.level or 0
    if level < hostneeds.GITEA_WRITE:
        text = "the token's user may not write there, so no status can be set"
        return about.fail(text, f"make the user a collaborator of {found.path}, an administrator")
    refused = [one for one in hostneeds.GITEA_SCOPES if one.key in found.refused]
    if refused:
        text = f"the token lacks the scope {hostneeds.scope_names(refused)}"
        return about.fail(text, "make a token with it: Settings, Applications")
    if level < hostneeds.GITEA_ADMIN:
        text = "the token's user is no administrator there, so commands of others are not obeyed"
        return about.warn(text, f"give the user the Administrator role in {found.path}")
    untold = [one for one in hostneeds.GITEA_SCOPES if one.key in found.untold]
    if untold:
        return about.unknown(f"could not be tried: {hostneeds.scope_names(untold)}")
    return about.ok("administrator")


def may_see_hooks(source: Source, found: RepositoryAccess) -> Finding | None:
    """Why webhooks can't be looked at there; None: they can."""
    about = About(source.name, f"webhook of {found.path}")
    if source.kind is HostKind.GITLAB and (found.level or 0) < _HOOKS:
        text = "only a Maintainer sees webhooks, and this token's user is none"
        return about.unknown(text, "look at it in the project's settings, or raise the role")
    if source.kind is not HostKind.GITLAB and found.level is not None and found.level < _ADMIN:
        text = "only an administrator of the repository sees webhooks"
        return about.unknown(text, "look at it in the repository's settings")
    if "repository_hooks" in found.refused:
        text = f"the token lacks {hostneeds.permission_names([hostneeds.HOOKS])}"
        return about.unknown(text, "add it to let `pushwright hooks sync` make and mend webhooks")
    return None


def missing(source: Source, path: str, said: str) -> Finding:
    """A repository that the config names and the host does not show."""
    remedy = "check its path; give the credential access, or install the App there"
    return About(source.name, path).fail(f"not seen: {said}", remedy)


def unmatched(source: Source, patterns: Sequence[str]) -> Finding:
    text = f"no repository that the credential sees matches {', '.join(patterns)}"
    remedy = "give the credential access to one, or mend `match` under `repositories`"
    return About(source.name, "repositories").warn(text, remedy)
