"""What webhooks as they are found mean: findings for `doctor`, words for `hooks sync`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.core.centralconfig import Source
from bot.core.findings import About, Finding
from bot.core.hookplan import (
    MENDED,
    SERIOUS,
    FoundHook,
    HookFault,
    WantedHook,
    faults,
    missing_events,
    ours,
)

_SYNC = "run `pushwright hooks sync`"
_NO_ANSWER = "see whether `public-url` can be reached from the host, and the web process's log"


def repository_hooks(
    source: Source, path: str, wanted: WantedHook, hooks: Sequence[FoundHook]
) -> Finding:
    """One finding for the webhook of a repository; where there are several, of the worst."""
    about = About(source.name, f"webhook of {path}")
    found = ours(wanted, hooks)
    if not found:
        others = _elsewhere(wanted, hooks)
        text = f"there is none for {wanted.url}{others}"
        return about.fail(text, f"{_SYNC}, unless an organization's or group's hook stands for it")
    hook = max(found, key=lambda one: (len(faults(wanted, one) & SERIOUS), one.id))
    finding = hook_finding(about, wanted, hook, _SYNC)
    if len(found) > 1 and not faults(wanted, hook):
        text = f"{len(found)} webhooks have this address: each event arrives {len(found)} times"
        return about.warn(text, "remove all but one in the repository's settings")
    return finding


def app_hook(source: Source, wanted: WantedHook, hook: FoundHook | None) -> Finding:
    """The one webhook of a GitHub App. Its events are told apart, with what the App asks for."""
    about = About(source.name, "App webhook")
    settings = "set it in the App's settings under Webhook"
    if hook is None or not hook.url:
        return about.fail("the App has no webhook", f"{settings}: {wanted.url}")
    if not ours(wanted, [hook]):
        return about.fail(f"it goes to {hook.url}", f"{settings}: {wanted.url}")
    if not hook.looked and not faults(wanted, hook):
        # GitHub tells of an App's webhook everything but whether it is active.
        text = f"{hook.url}, but GitHub sent nothing to it of late: it may be switched off"
        return about.unknown(text, "see that Active is ticked in the App's settings under Webhook")
    return hook_finding(about, wanted, hook, settings)


def hook_finding(about: About, wanted: WantedHook, hook: FoundHook, remedy: str) -> Finding:
    wrong = faults(wanted, hook)
    missing = missing_events(wanted.events, hook.events)
    text = "; ".join(reasons(wanted, hook, wrong))
    if not wrong:
        sent = f", last {hook.looked} deliveries: {hook.failed} failed" if hook.looked else ""
        return about.ok(f"{wanted.url}{sent}")
    if not wrong & MENDED:
        remedy = _NO_ANSWER
    if wrong & SERIOUS or any(event.needed for event in missing):
        return about.fail(text, remedy)
    return about.warn(text, remedy)


def reasons(wanted: WantedHook, hook: FoundHook, wrong: Collection[HookFault]) -> list[str]:
    """One text for each fault, in their order."""
    events = ", ".join(event.title for event in missing_events(wanted.events, hook.events))
    what = "signing token" if wanted.signed else "secret"
    texts = {
        HookFault.EVENTS: f"lacks the events: {events}",
        HookFault.INACTIVE: "it is switched off",
        HookFault.DISABLED: hook.disabled or "the host disabled it",
        HookFault.SECRET: f"it has no {what}",
        HookFault.REFUSED: f"the last delivery was answered 401: its {what} is not the one in the "
        "file",
        HookFault.FORM: "it sends forms instead of JSON",
        HookFault.TLS: "it does not verify the certificate",
        HookFault.FAILING: f"{hook.failed} of the last {hook.looked} deliveries failed, the "
        f"newest with {hook.last_code or 'no answer'}",
    }
    return [texts[fault] for fault in HookFault if fault in wrong]


def _elsewhere(wanted: WantedHook, hooks: Sequence[FoundHook]) -> str:
    """A hook of an address that was ours before, most likely."""
    end = "/webhooks/" + wanted.url.rpartition("/")[2]
    similar = sorted(hook.url for hook in hooks if hook.url.rstrip("/").endswith(end))
    return f"; there is one for {', '.join(similar)}" if similar else ""
