"""What is said of a build's cache: broken daemons, caches in vain, stages that are not held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.builds import BuildState, CacheUse, Outcome, OutcomeClass
from bot.core.cacheadvice import advised
from bot.core.daemons import FLAWS, flaws, sentence
from bot.core.reports_texts import built

HIT = CacheUse(4, 4, found=1)
VAIN = CacheUse(0, 4, found=2, first_miss="[2/5] COPY . . (Dockerfile:2)", why="its files changed")


def success(cache: CacheUse = HIT, daemon: str = "29.2.0") -> Outcome:
    return Outcome(
        BuildState.SUCCEEDED, OutcomeClass.SUCCEEDED, "built", cache=cache, daemon=daemon
    )


@pytest.mark.parametrize(
    ("daemon", "issues"),
    [
        ("20.10.24+dfsg1", ["pull/4796"]),
        ("23.0.0", ["pull/4796", "issues/44918"]),
        ("23.0.1", ["pull/4796"]),
        ("26.1.4", ["pull/4796"]),
        ("27.0.0-rc.1", ["issues/5242"]),
        ("27.1.1", ["issues/5242"]),
        ("27.1.2", []),
        ("28.5.2", []),
        ("29.0.0", []),
        ("v27.1", ["issues/5242"]),
        ("library-import", []),
        ("", []),
    ],
)
def test_versions_with_a_broken_inline_cache(daemon: str, issues: list[str]) -> None:
    assert [flaw.source.split("/", 5)[-1] for flaw in flaws(daemon)] == issues


def test_each_flaw_says_what_to_do_and_where_it_was_reported() -> None:
    for flaw in FLAWS:
        text = sentence("1.2.3", flaw)
        assert text.startswith("dockerd 1.2.3: ")
        assert flaw.todo in text
        assert "https://github.com/moby/" in text


def test_a_sound_build_gets_no_words() -> None:
    outcome = success()
    assert advised(outcome, "inline", success()) is outcome
    assert advised(outcome, "inline", None) is outcome


def test_a_broken_daemon_is_in_the_status_once_and_on_each_page() -> None:
    first = advised(success(daemon="27.0.3"), "inline", success(daemon="26.1.4"))
    assert first.notes == ("dockerd 27.0.3 has a broken inline cache",)
    assert "issues/5242" in first.warnings[0]
    again = advised(success(daemon="27.0.3"), "inline", first)
    assert (again.notes, again.warnings) == ((), first.warnings)


def test_a_flaw_that_nobody_has_to_act_on_stays_off_the_status() -> None:
    told = advised(success(daemon="20.10.24"), "inline", None)
    assert told.notes == ()
    assert "every second build misses" in told.warnings[0]


def test_a_cache_in_vain_is_said_the_second_time() -> None:
    assert advised(success(VAIN), "inline", success()).warnings == ()
    told = advised(success(VAIN), "inline", success(VAIN))
    assert told.notes == ("cache found, no step hit, twice running",)
    (text,) = told.warnings
    assert text.startswith("2 caches were found and no step hit, for the second time running.")
    assert "First: [2/5] COPY . . (Dockerfile:2) (its files changed)." in text


def test_a_cache_in_vain_for_want_of_its_stages_says_so() -> None:
    use = replace(VAIN, rerun_stages="deps", rerun_seconds=0.5)
    (text,) = advised(success(use), "inline", success(use)).warnings
    assert text.endswith("`cache: registry` also keeps stages that are not in the image")
    (held,) = advised(success(use), "registry", success(use)).warnings
    assert "What breaks hits" in held


@pytest.mark.parametrize(
    "use",
    [
        replace(VAIN, found=0),  # there was none
        replace(VAIN, hits=None),  # not known
        replace(VAIN, hits=1),
        replace(VAIN, steps=0),
    ],
)
def test_only_a_cache_that_is_known_to_have_been_in_vain_counts(use: CacheUse) -> None:
    assert advised(success(VAIN), "inline", success(use)).warnings == ()
    assert advised(success(use), "inline", success(VAIN)).warnings == ()


def test_a_stage_that_inline_cache_can_not_hold_gets_a_proposal() -> None:
    use = CacheUse(2, 5, found=1, rerun_stages="deps", rerun_seconds=42.4)
    told = advised(success(use), "inline", None)
    assert told.notes == ("stages not in the image ran again, 42s: `cache: registry` keeps them",)
    assert "(deps)" in told.warnings[0]
    assert "`cache: registry` keeps what did not change" in told.warnings[0]
    assert advised(success(use), "registry", None).warnings == ()
    short = advised(success(replace(use, rerun_seconds=2.0)), "inline", None)
    assert (len(short.warnings), short.notes) == (1, ())
    assert advised(success(replace(use, rerun_seconds=0.4)), "inline", None).warnings == ()


def test_notes_stand_at_the_end_of_the_status() -> None:
    told = advised(success(VAIN), "inline", success(VAIN))
    assert built(told, 44, "api:main", ["latest stays at 2.3.0"]) == (
        "ok 44s, cache 0/4, api:main; latest stays at 2.3.0; "
        "cache found, no step hit, twice running"
    )
