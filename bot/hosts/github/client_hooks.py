"""Webhooks in GitHub's words: https://docs.github.com/en/rest/repos/webhooks"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.core.hookplan import FoundHook, WantedHook
from bot.hosts.fields import Fields
from bot.hosts.github.client_answers import Answer


def hook(fields: Fields) -> FoundHook:
    found = hook_of(fields.number("id"), fields.inner("config"), frozenset(fields.words("events")))
    return replace(found, active=fields.flag("active", default=True))


def hook_of(number: int, config: Fields, events: frozenset[str]) -> FoundHook:
    """The secret is shown as asterisks, and not at all where there is none."""
    return FoundHook(
        number,
        config.prose("url") or "",
        events,
        secret=config.has("secret"),
        signed=False,
        json=config.values.get("content_type") == "json",
        verify_tls=str(config.values.get("insecure_ssl", "0")) != "1",
    )


def with_deliveries(hook: FoundHook, answer: Answer) -> FoundHook:
    """Newest first: https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook"""
    codes = answer.each(lambda row: row.values.get("status_code"))
    known = [code if isinstance(code, int) else 0 for code in codes]
    failed = sum(not 200 <= code < 300 for code in known)
    return replace(hook, failed=failed, looked=len(known), last_code=known[0] if known else None)


def config(wanted: WantedHook, secret: str) -> Mapping[str, str]:
    return {"url": wanted.url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
