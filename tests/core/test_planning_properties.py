"""What holds for any event and any config: plans never raise, requests never reach other tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.events import (
    BranchDeleted,
    Event,
    Ignored,
    Malformed,
    MergeGroupDestroyed,
    RequestClosed,
    TagDeleted,
)
from bot.core.explain import KINDS, Offline, explain, offline_facts, plan_offline, table
from bot.core.facts import ChangedPaths, EventFacts, KnownPaths, NoConfig, UnknownPaths
from bot.core.ids import HostKind, ImageKey, Trust
from bot.core.mistakes import Mistake
from bot.core.naming import is_tag
from bot.core.planning import plan
from bot.core.plans import ClaimKind
from bot.core.repofile import parse_repo_file
from tests.core.scene import (
    ANNA,
    NOW,
    REPOSITORY,
    RULE,
    A,
    B,
    claim,
    facts,
    pushed,
    queued,
    requested,
    tagged,
)
from tests.payloads import catalogue

OFTEN = [A] * 6
REFS = st.text(min_size=1, max_size=60) | st.sampled_from(
    ["main"] * 6
    + ["v1.2.3"] * 3
    + ["-x", "$(id)", "--upload-pack=x", "pr-12", "v1.2.3", "v2.0.0-rc.1", "a/b", "git-" + A]
)
PUSHED = REFS.map(pushed)
TAGGED = REFS.map(tagged)
REQUESTED = st.builds(
    lambda number, branch, fork, draft, action: requested(
        number,
        action=action,
        head_branch=branch,
        head_repository=2 if fork else REPOSITORY.id,
        draft=draft,
    ),
    st.integers(1, 10**6),
    REFS,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["opened", "synchronize", "reopened", "ready", "drafted", "retargeted"]),
)
GONE = st.one_of(
    REFS.map(lambda ref: BranchDeleted(REPOSITORY, ANNA, ref, None)),
    REFS.map(lambda ref: TagDeleted(REPOSITORY, ANNA, ref)),
    st.just(RequestClosed(REPOSITORY, ANNA, requested().request, merged=False)),
    st.just(MergeGroupDestroyed(REPOSITORY, ANNA, A, queued().head_ref, "")),
)
EVENTS = st.sampled_from(
    [PUSHED] * 3 + [TAGGED] * 2 + [REQUESTED] * 3 + [st.just(queued()), GONE]
).flatmap(lambda kind: kind)

LINES = [
    "type=ref,event=branch",
    "type=ref,event=tag",
    "type=ref,event=pr",
    "type=ref,event=pr,prefix=",
    "type=semver,pattern={{version}}",
    "type=semver,pattern={{major}}.{{minor}}",
    "type=pep440,pattern={{version}}",
    "type=match,pattern=v(.*),group=1",
    "type=edge",
    "type=sha",
    "type=raw,value=pr-12",
    "type=raw,value={{branch}}",
    "type=raw,value=nightly,enable={{is_default_branch}}",
    "latest",
    "type=sha,format=long",
    "type=ref,event=branch,suffix=-x",
    "type=semver,pattern=v{{major}},value=1.2.3",
]
IMAGES = st.builds(
    lambda tags, paths, push, needs, name: {
        "tags": tags,
        "paths": paths,
        "push": push,
        "needs": needs,
        "name": name,
    },
    st.lists(st.sampled_from(LINES), min_size=1, max_size=4),
    st.sampled_from([None, None, "src/**"]),
    st.sampled_from(["true", "false", "[tag]", "[pull_request]"]),
    st.booleans(),
    st.sampled_from([None] * 9 + ["reg.test:5000/acme/shop", "reg.test:5000/other"]),
)


def written(images: list[dict[str, object]], cancel: bool) -> bytes:
    """A `.pushwright.yaml` with those images; each needs the one before it, where it says so."""
    lines = ["version: 1", f"concurrency: {{cancel-in-progress: {str(cancel).lower()}}}", "images:"]
    for number, image in enumerate(images):
        lines.append(f"  i{number}:")
        lines.append("    args: {REF: '{{branch}}{{tag}}'}")
        lines.append(f"    tags: {image['tags']!r}")
        lines.append(f"    push: {image['push']}")
        if image["name"]:
            lines.append(f"    image: '{image['name']}'")
        if image["needs"] and number:
            lines.append(f"    needs: [i{number - 1}]")
        if image["paths"]:
            lines.append("    on:")
            lines += [
                f"      {kind}: {{paths: ['{image['paths']}']}}"
                for kind in ("push", "pull_request")
            ]
    return "\n".join(lines).encode()


CONFIGS = st.one_of(
    st.sampled_from([NoConfig(True), NoConfig(False), (Mistake(".pushwright.yaml", 1, 1, "x"),)]),
    st.just(NoConfig(True)),
    st.builds(
        lambda images, cancel: parse_repo_file(written(images, cancel)),
        st.lists(IMAGES, min_size=1, max_size=2),
        st.booleans(),
    ),
)
CHANGED: st.SearchStrategy[ChangedPaths] = st.one_of(
    st.lists(st.sampled_from(["src/a", "README.md"]), max_size=2).map(
        lambda paths: KnownPaths(tuple(paths))
    ),
    st.just(UnknownPaths("too many")),
)


@st.composite
def all_facts(draw: st.DrawFn) -> EventFacts:
    keys = [ImageKey(f"i{number}") for number in range(3)] + [ImageKey("shop")]
    return facts(
        draw(EVENTS),
        config=draw(CONFIGS),
        trust=draw(st.sampled_from([Trust.TRUSTED] * 3 + [Trust.UNTRUSTED])),
        head=draw(st.sampled_from([*OFTEN, B, None])),
        known=draw(st.sampled_from([A, B, None])),
        changed=draw(st.dictionaries(st.sampled_from(keys), CHANGED)),
        git_tags=tuple(draw(st.lists(REFS, max_size=3))),
        only=draw(st.sampled_from([()] * 6 + [(key,) for key in keys])),
        refused=draw(st.sampled_from([None, None, None, "no"])),
        rule=draw(st.sampled_from([RULE] * 6 + [None, replace(RULE, mode="observe")])),
        message=draw(st.sampled_from([None, "x", "y", "[skip ci]"])),
        anyway=draw(st.sampled_from([False] * 6 + [True])),
        no_cache=draw(st.sampled_from([False] * 6 + [True])),
        approved=draw(st.booleans()),
    )


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(all_facts())
def test_a_plan_is_made_for_anything_and_says_why(given_facts: EventFacts) -> None:
    found = plan(given_facts)
    assert found.note
    assert plan(given_facts) == found
    assert explain(found, given_facts)["event"]["kind"] in KINDS.values()
    assert table(found, given_facts)
    for wish in found.claims:
        said = [wish.images, wish.mistakes, wish.waiting, wish.nothing]
        assert any(said), "a claim says what becomes of it"
        untrusted = wish.trust is Trust.UNTRUSTED
        if wish.mistakes or (untrusted and not given_facts.approved) or given_facts.refused:
            assert not wish.images, "nothing of it is started"
        for image in wish.images:
            assert not untrusted or (image.check_only and not image.tags and not image.secrets)
            assert image.why
            assert not (image.check_only and image.tags)
            assert all(is_tag(tag.tag) for tag in image.tags)
        assert all(one.why for one in wish.skipped)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(all_facts())
def test_a_request_writes_its_own_tags_and_nothing_else_does(given_facts: EventFacts) -> None:
    for wish in plan(given_facts).claims:
        for tag in (tag for image in wish.images for tag in image.tags):
            if wish.kind is ClaimKind.REQUEST:
                assert tag.tag == f"pr-{wish.name}" or tag.tag.startswith(f"pr-{wish.name}-")
            else:
                assert not re.match(r"pr-[0-9]+(-|$)", tag.tag)
            assert not re.match(r"git-[0-9a-f]{12}", tag.tag)
        assert wish.kind is not ClaimKind.MERGE_GROUP or not any(
            image.tags for image in wish.images
        )


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(all_facts())
def test_needs_come_before_who_needs_them(given_facts: EventFacts) -> None:
    for wish in plan(given_facts).claims:
        seen: set[str] = set()
        for image in wish.images:
            for need in image.needs:
                assert (need.identity is None) != (need.digest is None)
                assert need.identity is None or need.identity in seen
            seen.add(image.identity)


def recorded(host: HostKind) -> Iterator[Event]:
    """The events of all recorded deliveries of a kind of host."""
    for delivery in catalogue.recorded():
        event = delivery.parse()
        if delivery.host is host and not isinstance(event, Ignored | Malformed):
            yield event


ONE_IMAGE: dict[str, object] = {"tags": LINES[:4], "push": "true"} | dict.fromkeys(
    ("paths", "needs", "name")
)


@pytest.mark.parametrize("host", list(HostKind))
def test_every_payload_can_be_planned_without_a_host(host: HostKind) -> None:
    """All recorded payloads: with a file, without one, trusted or not."""
    planned = 0
    for event in recorded(host):
        for config in (None, written([ONE_IMAGE], cancel=False)):
            for trusted in (None, True, False):
                offline = Offline(host, event, NOW, config, trusted=trusted)
                found, code = plan_offline(offline)
                assert code == (1 if found.get("mistakes") else 0)
                if "ignored" not in found:
                    planned += 1
                    made = offline_facts(offline)
                    assert not isinstance(made, str)
                    assert table(plan(made), made)
    assert planned > 30


def test_offline_plans_have_the_documented_shape() -> None:
    config = b"""version: 1
images:
  api: {image: ghcr.io/acme/api, platforms: [linux/amd64], target: final, args: {V: "{{tag}}"}}
  web: {on: {push: {branches: [main]}}}
"""
    found, code = plan_offline(Offline(HostKind.GITHUB, tagged("v1.2.3"), NOW, config))
    assert code == 0
    assert found == {
        "event": {
            "host": "github",
            "kind": "tag",
            "repository": "acme/shop",
            "ref": "refs/tags/v1.2.3",
            "sha": A,
            "base": None,
            "number": None,
            "fork": False,
        },
        "builds": [
            {
                "image": "api",
                "tags": [
                    "ghcr.io/acme/api:1.2.3",
                    "ghcr.io/acme/api:sha-aaaaaaa",
                    "ghcr.io/acme/api:latest",
                ],
                "platforms": ["linux/amd64"],
                "target": "final",
                "args": {"V": "v1.2.3"},
                "why": "tags v* matched v1.2.3",
            }
        ],
        "skipped": [{"image": "web", "why": "`on` names only branches, not tags"}],
        "mistakes": [],
    }


def test_offline_mistakes_are_printed_and_fail() -> None:
    found, code = plan_offline(Offline(HostKind.GITHUB, pushed(), NOW, b"version: 1\nimges: {}\n"))
    assert code == 1
    assert [one["line"] for one in found["mistakes"]] == [1, 2]
    assert set(found["mistakes"][0]) == {"file", "line", "column", "message", "hint"}


def test_offline_forks_wait_unless_they_are_said_to_be_trusted() -> None:
    fork = requested(head_repository=2)
    found, code = plan_offline(Offline(HostKind.GITLAB, fork, NOW))
    assert (code, found["builds"]) == (0, [])
    assert found["skipped"] == [{"image": "shop", "why": f"waiting for /ok-to-test {A}"}]
    assert found["event"]["fork"] is True
    assert found["event"]["ref"] == "refs/merge-requests/7/head"
    trusted, _ = plan_offline(Offline(HostKind.GITLAB, fork, NOW, trusted=True))
    assert trusted["builds"][0]["tags"][0] == "registry.example.com/acme/shop:pr-7"


def test_an_unknown_diff_builds_and_a_known_one_decides() -> None:
    config = b"version: 1\nimages: {api: {on: {push: {paths: ['api/**']}}}}\n"
    unknown, _ = plan_offline(Offline(HostKind.GITHUB, pushed(), NOW, config))
    assert [one["image"] for one in unknown["builds"]] == ["api"]
    known, _ = plan_offline(Offline(HostKind.GITHUB, pushed(), NOW, config, changed=["README.md"]))
    assert known["skipped"] == [{"image": "api", "why": "not affected: no file under api"}]


def test_the_claim_of_these_facts_is_the_one_that_is_explained() -> None:
    made = facts(pushed())
    assert explain(plan(made), made)["builds"][0]["image"] == claim(plan(made)).images[0].image
