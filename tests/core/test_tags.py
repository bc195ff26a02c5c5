"""What is ours beside the action's language: requests, long names, mistakes, owners."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.core.events import BranchPushed, Person, Repository, RequestChanged, RequestHead, TagPushed
from bot.core.ids import RepositoryId, Sha
from bot.core.labels import RepositoryFacts, oci_labels, stable_labels
from bot.core.tags import TagSet, collisions, compute, fill, highest_rivals, tags_json
from bot.core.tags_context import TagContext, context_of
from bot.core.tags_entries import lines_of
from bot.core.tags_faults import Fault
from bot.core.tags_rules import DEFAULT_TAGS, parse_rules

NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
SHA = Sha("860c1904a1ce19322e91ac35af1ab07466440c37")
REPOSITORY = Repository(
    RepositoryId(1), "acme/api", "main", "https://git.example.com/acme/api.git", "https://x"
)
PERSON = Person(1, "ann")
BRANCH = context_of(BranchPushed(REPOSITORY, PERSON, "main", SHA, None, None), NOW)
HEAD = RequestHead(15, SHA, "feature", RepositoryId(1), "main", PERSON)
REQUEST = context_of(RequestChanged(REPOSITORY, PERSON, "opened", HEAD), NOW)
SEMVER = "type=semver,pattern={{version}}"


def tagged(name: str) -> TagContext:
    return context_of(TagPushed(REPOSITORY, PERSON, name, SHA), NOW)


def on_branch(name: str) -> TagContext:
    return replace(BRANCH, ref=f"refs/heads/{name}")


def names(found: TagSet) -> list[str]:
    assert found.mistakes == ()
    return [name.name for name in found.names]


@pytest.mark.parametrize(
    ("context", "given"),
    [
        (BRANCH, ["main", "sha-860c190"]),
        (on_branch("releases/v1"), ["releases-v1", "sha-860c190"]),
        (tagged("v1.2.3"), ["1.2.3", "sha-860c190", "latest"]),
        (tagged("v2.0.8-beta.67"), ["2.0.8-beta.67", "sha-860c190"]),
        (tagged("nightly"), ["sha-860c190"]),
        (REQUEST, ["pr-15", "pr-15-sha-860c190"]),
    ],
)
def test_the_default_tags(context: TagContext, given: list[str]) -> None:
    assert names(compute(DEFAULT_TAGS, (), (), context)) == given


def test_a_request_gets_its_prefix_and_says_so() -> None:
    lines = ["type=ref,event=pr,prefix=", "type=raw,value=pr-155", "type=ref,event=pr,suffix=-a"]
    found = compute(lines, ["latest=true"], ["ghcr.io/acme/api"], REQUEST)
    assert names(found) == ["pr-15-15", "pr-15-a", "pr-15-pr-155", "pr-15-latest"]
    assert found.references[0] == "ghcr.io/acme/api:pr-15-15"
    assert found.version == "pr-15-15"
    assert found.renamed == {
        "15": "pr-15-15",
        "pr-155": "pr-15-pr-155",
        "latest": "pr-15-latest",
    }


def test_a_long_name_is_cut_with_a_hash() -> None:
    found = compute(["type=ref,event=branch"], (), (), on_branch("x" * 250))
    (name,) = names(found)
    assert len(name) == 128
    assert found.renamed == {"x" * 250: name}
    other = compute(["type=ref,event=branch"], (), (), on_branch("x" * 249))
    assert names(other) != [name]


@pytest.mark.parametrize("branch", ["pr-12", "pr/12", "pr-12-fix", "git-0123456789ab-01234567-1"])
def test_other_events_can_not_write_reserved_names(branch: str) -> None:
    found = compute(["type=sha", "type=ref,event=branch"], (), (), on_branch(branch))
    (mistake,) = found.mistakes
    assert (mistake.entry, mistake.field) == (1, "tags")
    assert "is reserved" in mistake.message
    assert [name.name for name in found.names] == ["sha-860c190"]


@pytest.mark.parametrize("branch", ["-x", ".x", "--upload-pack=x"])
def test_what_no_registry_takes_is_left_out_with_a_warning(branch: str) -> None:
    found = compute(["type=ref,event=branch", "type=sha"], (), (), on_branch(branch))
    assert names(found) == ["sha-860c190"]
    assert "is no tag" in found.warnings[0].message
    assert names(compute(["type=raw,value=" + branch], (), (), REQUEST))[0].startswith("pr-15-")


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        ("type=semvr,pattern=x", 6, "unknown tag type `semvr`", "did you mean semver?"),
        ("type=ref,evnt=pr", 10, "unknown attribute `evnt`", "did you mean event?"),
        ("type=ref,event=banch", 16, "unknown event `banch`", "did you mean branch?"),
        ("type=ref", 1, "the attribute `event` is missing", None),
        ("type=semver", 1, "the attribute `pattern` is missing", None),
        ("type=match", 1, "the attribute `pattern` is missing", None),
        ("type=raw", 1, "the attribute `value` is missing", None),
        ("type=sha,format=foo", 17, "`format` is short or long", None),
        ("type=sha,enable=yes", 17, "`enable` is true or false, not `yes`", None),
        ("type=sha,priority=high", 19, "`priority` is a number", None),
        ("type=match,pattern=v(.*),group=foo", 32, "`group` is the number of a group", None),
        (r"type=match,pattern=(?=v)\d", 20, "the pattern can't be read", None),
        ("type=match,pattern=/v/q", 20, "`q` are no flags of a pattern", None),
        (r"type=semver,pattern={{raw}},match=\d", 35, "`match` needs a group", None),
        ("type=match,pattern=((a{99}){99}){99}", 20, "the pattern can't be read", None),
        (
            "type=semver,pattern={{verison}}",
            23,
            "`verison` is not known here",
            "did you mean version?",
        ),
        ("type=raw,value={{tag", 16, "the `{{` has no matching `}}`", None),
        ("type=raw,value={{#if tag}}x", 16, "`{{#if}}` has no `{{/if}}`", None),
        ("type=raw,value={{#each tag}}x{{/each}}", 16, "of the blocks there are", None),
        ("type=raw,value={{#if is_default_branch}}x{{/if}}", 22, "would always hold", None),
        ("type=raw,value={{date}}", 18, "`date` takes one format in quotes", None),
        ("type=raw,value={{date 'X' tz='Asia/Tokio'}}", 30, "the time zone", None),
        ('type=raw,value=b"c', 17, "a quote stands inside a field", None),
        ('type=raw,"value=b', 10, "the quoted field has no end", None),
        ("type=raw,value=${{ secrets.X }}", 20, "`secrets.X` is not known", None),
        ("a=${{ github.ref }},type=raw", 1, "unknown attribute `a`", None),
        ("value=${{ github.ref }}{{tga}}", 26, "`tga` is not known here", "did you mean tag?"),
        ("${{ github.ref == 'x' && 'type=sha' }}", 1, "an expression gives a value", None),
        ("type=${{ github.ref }}", 6, "`type` can not be an expression", None),
        ("x" * 5000, 1, "an entry has at most 4096 characters", None),
        ("a\ue000b", 2, "one line of plain text", None),
    ],
)
def test_a_mistake_has_its_column(line: str, column: int, message: str, hint: str | None) -> None:
    (mistake,) = parse_rules(["type=sha", line]).mistakes
    assert (mistake.entry, mistake.column) == (1, column)
    assert message in mistake.message
    assert hint is None or mistake.hint == hint


@pytest.mark.parametrize(
    ("field", "line", "column", "message"),
    [
        ("flavor", "latest", 1, "`latest` is no flavor"),
        ("flavor", "latest=yes", 8, "`latest` is auto, true or false"),
        ("flavor", "sufix=x", 1, "unknown flavor `sufix`"),
        ("flavor", "prefix=x,onlatest=1", 19, "`onlatest` is true or false"),
        ("flavor", "prefix={{x}}", 10, "`x` is not known here"),
        ("image", "name=", 6, "the image name is empty"),
        ("image", "value=name/foo", 1, "unknown attribute `value`"),
        ("image", "name/foo,enable=bar", 17, "`enable` is true or false"),
        ("image", "name=ghcr.io/a:1", 6, "no tag and no digest"),
        ("image", "name=ghcr.io/a__-b", 6, "is no part of an image name"),
        ("image", "name=${{ env.X }}", 10, "`env.X` is not known"),
    ],
)
def test_flavor_and_image_have_theirs(field: str, line: str, column: int, message: str) -> None:
    entries = {field: [line]}
    found = parse_rules([], entries.get("flavor", []), entries.get("image", []))
    (mistake,) = found.mistakes
    assert (mistake.field, mistake.column) == (field, column)
    assert message in mistake.message


def test_all_mistakes_come_at_once() -> None:
    found = parse_rules(["type=x", "type=y", "type=sha"], ["latest=z"], ["A B"])
    assert [mistake.field for mistake in found.mistakes] == ["tags", "tags", "flavor", "image"]
    assert len(found.rules.lines) == 1


def test_a_list_has_a_limit() -> None:
    found = parse_rules(["type=sha"] * 51)
    assert [mistake.entry for mistake in found.mistakes] == [50]
    assert len(found.rules.lines) == 50


def test_images_are_lower_case_enabled_and_filled_in() -> None:
    images = [
        "name=ghcr.io/Acme/Api",
        "docker.io/acme/api,enable=false",
        "name=r.io/${{ github.repository }},enable=${{ github.event_name == 'push' }}",
        "ghcr.io/acme/api",
    ]
    found = compute(["type=sha,format=long,prefix="], (), images, BRANCH)
    assert found.images == ("ghcr.io/acme/api", "r.io/acme/api")
    assert found.references == tuple(f"{image}:{SHA}" for image in found.images)
    assert compute(["type=sha"], (), ["a/b,c/d"], BRANCH).images == ("a/b", "c/d")


@pytest.mark.parametrize(
    ("line", "flavor", "given"),
    [
        ("type=raw,value=latest,enable=${{ github.ref == 'refs/heads/main' }}", "", ["latest"]),
        (
            "type=raw,value=x,enable=${{ github.ref == format('refs/heads/{0}', 'main') }}",
            "",
            ["x"],
        ),
        ("type=raw,value=x,enable=${{ startsWith(github.ref, 'refs/tags/') }}", "", []),
        ("type=raw,value=${{ github.ref_name }}-${{ github.event_name }}", "", ["main-push"]),
        ("${{ github.ref_name }}-x", "", ["main-x"]),
        ("type=edge,branch=${{ github.event.repository.default_branch }}", "", ["edge"]),
        ("x", "latest=${{ github.ref_name == 'main' }}", ["x", "latest"]),
        ("x", "suffix=-${{ github.event_name == 'push' && 'p' || 'q' }}", ["x-p"]),
        ("x", "prefix={{branch}}-,onlatest=true\nlatest=true", ["main-x", "main-latest"]),
        ("type=raw,value={{#if tag}}t{{else}}b{{/if}}{{#unless tag}}u{{/unless}}", "", ["bu"]),
    ],
)
def test_pasted_workflow_lines(line: str, flavor: str, given: list[str]) -> None:
    flavors = [entry.text for entry in lines_of(flavor)]
    assert names(compute([line], flavors, (), BRANCH)) == given


def test_what_an_expression_gives_is_never_read_as_syntax() -> None:
    hostile = on_branch('x,type=sha,prefix={{sha}},"')
    line = "type=raw,value=a-${{ github.ref_name }}"
    assert names(compute([line], (), (), hostile)) == ["a-x-type-sha-prefix-sha-"]


def test_an_expression_may_give_what_its_place_refuses() -> None:
    lines = ["type=raw,value=x,enable=${{ github.ref_name }}"]
    found = compute([*lines, "y"], ["latest=${{ github.ref_name }}"], (), BRANCH)
    assert {(mistake.field, mistake.entry) for mistake in found.mistakes} == {
        ("tags", 0),
        ("flavor", 0),
    }


def test_a_block_of_text_has_lines_comments_and_blanks() -> None:
    block = "\n# a comment, ignored\n  type=sha\n\ntype=raw,value=a # b\n"
    assert [(line.text, line.line, line.column) for line in lines_of(block)] == [
        ("type=sha", 2, 2),
        ("type=raw,value=a # b", 4, 0),
    ]


def test_a_name_knows_its_line_and_version() -> None:
    lines = ["type=raw,value=x", SEMVER, "type=ref,event=tag"]
    found = compute(lines, (), (), tagged("v1.2.3"))
    assert [(n.name, n.origin, n.line, n.version and n.version.text) for n in found.names] == [
        ("1.2.3", "semver", 1, "1.2.3"),
        ("v1.2.3", "ref", 2, None),
        ("x", "raw", 0, None),
        ("latest", "latest", 1, "1.2.3"),
    ]


def owners(lines: list[str], ours: str, git_tags: list[str]) -> dict[str, str]:
    """For each versioned name of our git tag, the git tag that it belongs to."""
    rules, context = parse_rules(lines).rules, tagged(ours)
    rivals = highest_rivals(rules, context, git_tags)
    owned = {}
    for name in compute(lines, (), (), context).names:
        rival = rivals.get((name.line, name.name))
        if name.version is not None:
            higher = rival is not None and rival.version > name.version
            owned[name.name] = rival.git_tag if rival and higher else ours
    return owned


SERIES = [SEMVER, "type=semver,pattern={{major}}.{{minor}}", "type=semver,pattern={{major}}"]
TAGS = ["v1.9.5", "v1.9.6", "v1.10.0", "v2.3.0", "v3.0.0-rc.1", "junk", "x" * 300]


def test_names_belong_to_the_highest_version_of_the_repository() -> None:
    assert owners(SERIES, "v1.9.6", TAGS) == {
        "1.9.6": "v1.9.6",
        "1.9": "v1.9.6",
        "1": "v1.10.0",
        "latest": "v2.3.0",
    }
    assert owners(SERIES, "v2.3.0", TAGS)["latest"] == "v2.3.0"
    assert owners(SERIES, "v3.0.0-rc.1", TAGS) == {"3.0.0-rc.1": "v3.0.0-rc.1"}


def test_local_versions_are_written_as_the_action_writes_them() -> None:
    line = "type=pep440,pattern={{version}},value=1!2.0+Ab_c.1"
    assert names(compute([line], ["latest=false"], (), BRANCH)) == ["1-2.0-ab-c-1"]


def test_pep440_and_match_have_owners_too() -> None:
    assert owners(["type=pep440,pattern={{major}}"], "1.2", ["1.2.post1", "1.10"]) == {
        "1": "1.10",
        "latest": "1.10",
    }
    match = r"type=match,pattern=v(\d+\.\d+),group=1"
    assert owners([match], "v2.0.7", ["v2.0.9", "v2.1.0"]) == {"2.0": "v2.0.9", "latest": "v2.1.0"}
    assert owners(["type=match,pattern=^rel.*"], "rel-a", ["rel-b"]) == {}


def test_an_enabled_line_of_another_tag_is_judged_by_that_tag() -> None:
    line = f"{SEMVER},enable=${{{{ !contains(github.ref, 'private') }}}},match=v(.*)"
    assert owners([line], "v1.0.0", ["private/v9.0.0"])["latest"] == "v1.0.0"
    assert owners([line], "v1.0.0", ["public/v9.0.0"])["latest"] == "public/v9.0.0"


def test_images_that_claim_one_reference_collide() -> None:
    claims = {"a": ["app:1", "r.io/x:1"], "b": ["docker.io/library/app:1"], "c": ["r.io/x:2"]}
    (collision,) = collisions(claims)
    assert (collision.reference, collision.images) == ("docker.io/library/app:1", ("a", "b"))


def test_the_json_of_the_tags_command() -> None:
    found = compute(["type=ref,event=branch"], (), ["ghcr.io/acme/api"], BRANCH)
    facts = RepositoryFacts("api", "https://git.example.com/acme/api", "An API", "MIT")
    labels = oci_labels(facts, version=found.version, revision=SHA, created=NOW)
    assert tags_json(found, labels) == {
        "tags": ["ghcr.io/acme/api:main"],
        "labels": {
            "org.opencontainers.image.created": "2026-03-04T05:06:07.089Z",
            "org.opencontainers.image.description": "An API",
            "org.opencontainers.image.licenses": "MIT",
            "org.opencontainers.image.revision": SHA,
            "org.opencontainers.image.source": "https://git.example.com/acme/api",
            "org.opencontainers.image.title": "api",
            "org.opencontainers.image.url": "https://git.example.com/acme/api",
            "org.opencontainers.image.version": "main",
        },
        "version": "main",
        "renamed": {},
    }
    assert sorted(key.rpartition(".")[2] for key in stable_labels({**labels, "x.mine": ""})) == [
        *("description", "licenses", "mine", "source", "title", "url"),
    ]


def test_values_of_labels_and_arguments_are_filled_in_without_escapes() -> None:
    context = replace(on_branch("a&b"), commit_date=datetime(2020, 1, 10, tzinfo=UTC))
    assert fill("{{branch}} {{commit_date 'YYYY'}} {{#if branch}}{{sha}}{{/if}}", context) == (
        "a&b 2020 860c190"
    )
    assert isinstance(fill("{{nope}}", context), Fault)
    assert fill("${{ github.ref_name }} {{sha}}", context) == "a&b 860c190"
    unknown = fill("${{ github.ref_name }} {{nope}}", context)
    assert isinstance(unknown, Fault)
    assert (unknown.offset, unknown.message) == (25, "`nope` is not known here")
    assert fill("{{sha}} ${{ github.reff }}", context) == Fault(
        12, "`github.reff` is not known in an expression", "did you mean github.ref?"
    )


def test_what_the_payload_tells_of_the_commit_counts_where_nothing_was_read() -> None:
    made = datetime(2020, 1, 9, 22, tzinfo=UTC)
    event = TagPushed(REPOSITORY, PERSON, "v1", SHA, base_branch="stable", committed=made)
    text = "{{base_ref}} {{commit_date 'YYYYMMDD'}}"
    assert fill(text, context_of(event, NOW)) == "stable 20200109"
    read = context_of(event, NOW, commit_date=datetime(2021, 1, 1, tzinfo=UTC))
    assert fill(text, read) == "stable 20210101"
    pushed = BranchPushed(REPOSITORY, PERSON, "main", SHA, None, None, committed=made)
    assert fill(text, context_of(pushed, NOW)) == " 20200109"
