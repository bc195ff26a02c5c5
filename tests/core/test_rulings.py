"""The explainer: every rule is told, and what it tells is what planning does."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.explain import explain_all
from bot.core.facts import EventFacts, KnownPaths, UnknownPaths
from bot.core.ids import ImageKey, Trust
from bot.core.planning import plan
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file
from bot.core.rulings import Ruling, lines, read_rulings, rulings
from tests.core.scene import config, facts, pushed, queued, requested, tagged
from tests.core.test_planning_properties import EVENTS, IMAGES, written

MONOREPO = config(
    """\
version: 1
concurrency: {limit: 2}
images:
  base:
    on: {push: {branches: [main]}}
  api:
    needs: [base]
    push: [tag]
    on:
      push: {branches: [main, "release/*"], tags: ["v*"], paths: ["services/api/**"]}
      pull_request: {paths: ["services/api/**"], paths-ignore: ["**/*.md"], drafts: false}
"""
)
API = ImageKey("api")


def told(given: EventFacts, image: ImageKey = API) -> dict[str, tuple[bool | None, str]]:
    return {one.rule: (one.passes, one.why) for one in rulings(given)[image]}


def test_a_push_that_is_built() -> None:
    changed = {API: KnownPaths(("README.md", "services/api/app.py"))}
    found = told(facts(pushed("release/2"), config=MONOREPO, changed=changed))
    assert found == {
        "event": (True, "`on` names push"),
        "branches": (True, "branches release/* matched release/2"),
        "skip": (
            True,
            "neither [skip ci], [ci skip], [skip pushwright] nor push option ci.skip",
        ),
        "paths": (True, "paths services/api/** matched services/api/app.py (2 files differ)"),
        "needs": (None, "needs base"),
        "trust": (True, "trusted: the commit comes from a branch or tag of the repository"),
        "push": (None, "built, not pushed (`push: tag`)"),
        "concurrency": (None, "every head is built, in order; at most 2 at once of the repository"),
    }


def test_a_forks_draft() -> None:
    event = requested(head_repository=2, draft=True)
    changed = {API: KnownPaths(("services/api/README.md",))}
    found = told(facts(event, config=MONOREPO, changed=changed, trust=Trust.UNTRUSTED))
    assert found["target branch"] == (True, "every target branch")
    assert found["drafts"] == (False, "the request is a draft (`drafts: false`)")
    assert found["skip"] == (None, "skip tokens count for branch pushes only")
    assert found["paths"] == (
        False,
        "not affected: paths-ignore **/*.md covers services/api/README.md (1 file differs)",
    )
    assert found["trust"][0] is False
    assert found["push"] == (None, "untrusted: built, not pushed")
    assert found["concurrency"][1].startswith("a newer head withdraws this one")


def test_what_is_passed_over_is_told_as_well() -> None:
    found = told(facts(pushed("topic", message="x [skip ci]"), config=MONOREPO), ImageKey("base"))
    assert found["branches"] == (False, "branch topic matches none of main")
    assert found["skip"] == (False, "[skip ci] asks for no build")
    assert found["paths"] == (None, "none are named, every change counts")


def test_an_image_of_another_kind_of_event() -> None:
    found = told(facts(requested(), config=MONOREPO), ImageKey("base"))
    assert found["event"] == (False, "`on` does not name pull_request")
    assert "target branch" not in found


def test_tags_and_the_merge_queue() -> None:
    tag = told(facts(tagged("v1.2.3"), config=MONOREPO))
    assert tag["tags"] == (True, "tags v* matched v1.2.3")
    assert tag["paths"] == (None, "paths never count for tags")
    assert tag["push"] == (None, "built and pushed")
    queue = told(facts(queued(), config=MONOREPO))
    assert queue["push"] == (None, "merge queue builds are never pushed")


def test_named_images() -> None:
    given = facts(pushed("topic", message="[skip ci]"), config=MONOREPO, only=(API,))
    assert told(given)["asked"] == (True, "asked for by name: filters do not count")
    assert told(given)["skip"] == (None, "[skip ci] does not count: somebody asked")
    assert told(given, ImageKey("base"))["asked"] == (False, "others were asked for by name")


def test_an_image_that_another_one_needs() -> None:
    text = """\
version: 1
images:
  base: {on: {push: {paths: ["base/**"]}}}
  api: {needs: [base], on: {push: {paths: ["api/**"]}}}
"""
    changed = {key: KnownPaths(("api/x",)) for key in (ImageKey("base"), API)}
    given = facts(pushed(), config=config(text), changed=changed)
    base = rulings(given)[ImageKey("base")]
    assert base[-1] == Ruling("needs", True, "needed by api, and never built before")


def test_as_json_and_back() -> None:
    given = facts(pushed(), config=MONOREPO)
    explained = explain_all(plan(given), given)
    assert read_rulings(explained["rules"]) == {str(k): v for k, v in rulings(given).items()}
    assert explained["note"] == "to build: base, api"
    assert read_rulings([1]) == read_rulings(None) == {}
    assert read_rulings({"a": 1, "b": [1, {"rule": "x", "passes": 7}]}) == {
        "a": (),
        "b": (Ruling("x", None, ""),),
    }


def test_in_words() -> None:
    assert lines([Ruling("paths", False, "no"), Ruling("push", None, "built")]) == [
        "          no  paths         no",
        "          -   push          built",
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    EVENTS,
    st.lists(IMAGES, min_size=1, max_size=3),
    st.sampled_from([(), ("src/a",), ("b",), None]),
    st.booleans(),
)
def test_the_verdicts_are_what_planning_does(
    event: object, images: list[dict[str, object]], files: tuple[str, ...] | None, named: bool
) -> None:
    parsed = parse_repo_file(written(images, cancel=False))
    if not isinstance(parsed, RepoConfig):
        return
    known = UnknownPaths("?") if files is None else KnownPaths(files)
    given_facts = facts(
        event,  # type: ignore[arg-type]  # any planned event
        config=parsed,
        changed={image.key: known for image in parsed.images},
        only=(parsed.images[0].key,) if named else (),
    )
    decided = plan(given_facts)
    for wish in decided.claims:
        if wish.mistakes:
            continue
        found = rulings(given_facts)
        for built in wish.images:
            assert _lets_in(found[built.image]), found[built.image]
        for skipped in wish.skipped:
            switched_off = skipped.why.startswith("every name")
            assert switched_off or not _lets_in(found[skipped.image]), found[skipped.image]


def _lets_in(rules: tuple[Ruling, ...]) -> bool:
    asked = next((one.passes for one in rules if one.rule == "asked"), None)
    pulled = any(one.rule == "needs" and one.passes for one in rules)
    refused = any(one.passes is False for one in rules)
    if asked is not None:
        return asked
    return pulled or not refused
