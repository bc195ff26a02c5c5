"""Which webhooks are ours, and what is done with each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.hookplan import (
    Create,
    FoundHook,
    HookFault,
    Keep,
    Repair,
    WantedHook,
    faults,
    ours,
    plan_hook,
    same_address,
)
from bot.core.hostneeds import GITHUB_EVENTS, GITHUB_PERMISSIONS, classic_scope, lacking

URL = "https://bot.test/webhooks/github"
WANTED = WantedHook(URL, GITHUB_EVENTS)
GOOD = FoundHook(7, URL, frozenset(event.key for event in GITHUB_EVENTS), secret=True)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://bot.test/webhooks/github/", True),
        ("HTTPS://Bot.Test/webhooks/github", True),
        ("http://bot.test/webhooks/github", False),
        ("https://bot.test/webhooks/github?team=1", False),
        ("https://bot.test/webhooks/GitHub", False),
        ("https://bot.test:444/webhooks/github", False),
        ("https://[bot.test/webhooks/github", False),
    ],
)
def test_an_address_is_ours_or_it_is_not(other: str, same: bool) -> None:
    assert same_address(URL, other) is same


@given(st.text())
def test_no_address_makes_it_raise(text: str) -> None:
    same_address(URL, text)


def test_every_fault_is_seen_alone() -> None:
    assert faults(WANTED, GOOD) == frozenset()
    assert faults(WANTED, replace(GOOD, events=frozenset({"*"}))) == frozenset()
    assert faults(WANTED, replace(GOOD, secret=None)) == frozenset()  # the host does not tell
    spoilt = {
        HookFault.EVENTS: replace(GOOD, events=frozenset({"push"})),
        HookFault.INACTIVE: replace(GOOD, active=False),
        HookFault.DISABLED: replace(GOOD, disabled="until tomorrow"),
        HookFault.SECRET: replace(GOOD, secret=False),
        HookFault.REFUSED: replace(GOOD, last_code=401, failed=9, looked=9),
        HookFault.FORM: replace(GOOD, json=False),
        HookFault.TLS: replace(GOOD, verify_tls=False),
        HookFault.FAILING: replace(GOOD, last_code=502, failed=3, looked=9),
    }
    assert set(spoilt) == set(HookFault)
    for fault, hook in spoilt.items():
        assert faults(WANTED, hook) == {fault}
    signed = replace(WANTED, signed=True)
    assert faults(signed, replace(GOOD, signed=False)) == {HookFault.SECRET}


def test_steps() -> None:
    other = replace(GOOD, id=1, url="https://ci.test")
    bad = replace(GOOD, id=9, active=False)
    assert plan_hook(WANTED, [other]) == (Create(),)
    assert plan_hook(WANTED, [bad, other, GOOD]) == (Keep(GOOD), Repair(bad, (HookFault.INACTIVE,)))
    assert plan_hook(WANTED, [GOOD], secret=True) == (Repair(GOOD, ()),)
    down = replace(GOOD, last_code=502, failed=3, looked=3)
    assert plan_hook(WANTED, [down]) == (Keep(down),)  # writing it anew would mend nothing
    assert ours(WANTED, [bad, GOOD, other]) == [GOOD, bad]


def test_permissions_and_scopes() -> None:
    given_ = {one.key: one.access for one in GITHUB_PERMISSIONS if one.key != "metadata"}
    assert lacking(GITHUB_PERMISSIONS, given_) == ()
    for one in GITHUB_PERMISSIONS:
        if one.key == "metadata":
            continue
        without = {key: access for key, access in given_.items() if key != one.key}
        assert lacking(GITHUB_PERMISSIONS, without) == (one,)
        less = given_ | {one.key: "read"}
        assert lacking(GITHUB_PERMISSIONS, less) == ((one,) if one.access == "write" else ())
    assert classic_scope({"repo"}, private=True) is None
    assert classic_scope({"public_repo"}, private=True) == "repo"
    assert classic_scope({"public_repo"}, private=False) is None
    assert classic_scope({"repo:status"}, private=False) == "public_repo"
