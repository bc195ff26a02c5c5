"""What `.pushwright.yaml` comes to: defaults, merging, shapes, places, and no bytes that raise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.ids import ImageKey
from bot.core.imagekeys import IMAGE
from bot.core.mistakes import Notes
from bot.core.repoconfig import (
    Image,
    Need,
    PathFilter,
    PushRule,
    RefFilter,
    RepoConfig,
    RequestRule,
    SecretUse,
    TagEntry,
    Triggers,
)
from bot.core.repofile import ZERO_TAGS, ZERO_TRIGGERS, parse_repo_file, zero_config
from bot.core.repokeys import RECORDS
from bot.core.yamltree import REPOSITORY_LIMITS, Mapping, Node, Sequence, read_tree

FULL = b"""
version: 1
images:
  base: {context: base/}
  api:
    image: ghcr.io/acme/api
    context: ./services//api
    dockerfile: docker/Dockerfile
    target: final
    args: {VERSION: "{{tag}}", NUMBER: 1.10, DEBUG: true, EMPTY: ""}
    labels: {org.opencontainers.image.title: API}
    annotations: {"index:org.opencontainers.image.title": API}
    contexts: {alpine: "docker-image://alpine:3.20", docs: docs}
    platforms: [linux/amd64]
    secrets: [{id: npm, from: npm-token, events: [push, tag]}, {id: b, from: c}]
    needs: [base]
    on:
      push: {branches: [main, "release/*"], tags: ["v*"], paths: ["services/api/**"]}
      pull_request: {paths: ["services/api/**"], drafts: false}
    tags: ["type=ref,event=branch", "type=sha"]
    flavor: {latest: auto, prefix: v}
    latest-order: pushed
    oci-labels: full
    push: [push, tag]
    required: true
    cache: {mode: registry}
    cache-from: ["type=registry,ref=ghcr.io/acme/api:cache", "ghcr.io/acme/api:main"]
    no-cache: true
    provenance: mode=max
    sbom: true
    resources: {cpu: 2, memory: 4Gi}
    timeout: 1h30m
checkout: {submodules: true, lfs: true}
concurrency: {group: "{{branch}}", limit: 2, cancel-in-progress: false}
comment: off
promote: {allow: [prod, "stable-*"]}
"""


def read(text: str | bytes) -> RepoConfig:
    found = parse_repo_file(text.encode() if isinstance(text, str) else text)
    assert isinstance(found, RepoConfig), [str(one) for one in found]
    return found


def one(text: str) -> Image:
    (image,) = read(f"version: 1\nimages:\n  a:\n{text}").images
    return image


def test_every_key_reaches_its_value() -> None:
    config = read(FULL)
    api = config.image(ImageKey("api"))
    assert api == Image(
        key=ImageKey("api"),
        names=(TagEntry("ghcr.io/acme/api", 6, 12),),
        context="services/api",
        dockerfile="docker/Dockerfile",
        target="final",
        args={"VERSION": "{{tag}}", "NUMBER": "1.10", "DEBUG": "true", "EMPTY": ""},
        labels={"org.opencontainers.image.title": "API"},
        annotations={"index:org.opencontainers.image.title": "API"},
        contexts={"alpine": "docker-image://alpine:3.20", "docs": "docs"},
        secrets=(SecretUse("npm", "npm-token", ("push", "tag")), SecretUse("b", "c")),
        platforms=("linux/amd64",),
        needs=(Need(ImageKey("base")),),
        on=Triggers(
            PushRule(
                RefFilter(("main", "release/*")),
                RefFilter(("v*",)),
                PathFilter(("services/api/**",)),
            ),
            RequestRule(paths=PathFilter(("services/api/**",)), drafts=False),
        ),
        tags=(TagEntry("type=ref,event=branch", 20, 13), TagEntry("type=sha", 20, 38)),
        flavor=(TagEntry("latest=auto", 21, 14), TagEntry("prefix=v", 21, 28)),
        latest_order="pushed",
        push=("push", "tag"),
        oci_labels="full",
        cache="registry",
        cache_from=("ghcr.io/acme/api:cache", "ghcr.io/acme/api:main"),
        no_cache=True,
        provenance="mode=max",
        sbom=True,
        cpu="2",
        memory="4Gi",
        timeout_seconds=5400,
        required=True,
        line=5,
        column=3,
    )
    assert (config.checkout.submodules, config.checkout.lfs) == (True, True)
    assert config.concurrency.group == "{{branch}}"
    assert (config.concurrency.limit, config.concurrency.cancel) == (2, False)
    assert config.comment == "off"
    assert config.promote == ("prod", "stable-*")


def test_the_keys_of_version_1_are_these_and_no_others() -> None:
    """The full example writes every key; a key that is new must be written there too."""
    root = read_tree(FULL, Notes("f"), REPOSITORY_LIMITS)
    written = set(_keys(root))
    known = {key.name for record in RECORDS for key in record.keys}
    ignoring = {"branches-ignore", "tags-ignore", "paths-ignore"}
    assert known - written == ignoring | {"defaults", "suffix", "arg"}
    assert {key.name for key in IMAGE.keys} <= written


def _keys(node: Node | None) -> Iterator[str]:
    if isinstance(node, Mapping):
        for entry in node.entries:
            yield entry.key
            yield from _keys(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _keys(item)


def test_what_is_not_said_is_as_without_a_file() -> None:
    (image,) = read("version: 1\nimages: {api: }").images
    (zero,) = zero_config("Acme/sub/API").images
    assert image == Image(ImageKey("api"), (), on=ZERO_TRIGGERS, tags=ZERO_TAGS, line=2, column=10)
    assert zero == Image(ImageKey("api"), (), on=ZERO_TRIGGERS, tags=ZERO_TAGS)
    assert not zero_config("acme/api").from_file
    assert [entry.text for entry in ZERO_TAGS] == [
        "type=ref,event=branch",
        "type=ref,event=pr",
        "type=semver,pattern={{version}}",
        "type=sha",
    ]


def test_a_block_of_lines_keeps_the_place_of_each() -> None:
    image = one(
        "    tags: |\n"
        "\n"
        "      type=ref,event=branch\n"
        "      # nothing\n"
        "        type=raw,value=a#b c # d\n"
        "    image: |-\n"
        "      name=ghcr.io/acme/a,enable=true\n"
        "      docker.io/acme/a\n"
    )
    assert image.tags == (
        TagEntry("type=ref,event=branch", 6, 7),
        TagEntry("type=raw,value=a#b c # d", 8, 9),
    )
    assert image.names == (
        TagEntry("name=ghcr.io/acme/a,enable=true", 10, 7),
        TagEntry("docker.io/acme/a", 11, 7),
    )


def test_defaults_join_names_and_give_way_elsewhere() -> None:
    api, web = read(
        """
version: 1
defaults: {args: {A: 1, B: 2}, on: [push], timeout: 5m, labels: {x: y}}
images:
  api: {args: {B: 3}, on: pull_request}
  web: {timeout: 6m}
"""
    ).images
    assert api.args == {"A": "1", "B": "3"}
    assert api.on == Triggers(None, RequestRule())
    assert (api.timeout_seconds, web.timeout_seconds) == (300, 360)
    assert web.on == Triggers(PushRule(), None)
    assert api.labels == web.labels == {"x": "y"}


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("push: true", "push", ("push", "tag", "pull_request")),
        ("push: false", "push", ()),
        ("push: [tag]", "push", ("tag",)),
        ("cache: none", "cache", "none"),
        ("cache: {}", "cache", "inline"),
        ("provenance: false", "provenance", None),
        ("provenance: true", "provenance", "mode=min"),
        ("flavor: latest=false", "flavor", (TagEntry("latest=false", 4, 13),)),
        ("timeout: 90s", "timeout_seconds", 90),
        ("resources: {cpu: 500m}", "cpu", "0.5"),
        ("resources: {cpu: 1500m}", "cpu", "1.5"),
        ("resources: {cpu: 20}", "cpu", "20"),
        ("resources: {cpu: 0.5, memory: 512Mi}", "memory", "512Mi"),
        ("platforms: linux/arm64/v8", "platforms", ("linux/arm64/v8",)),
        ("context: .", "context", "."),
        ("context: a b/ü", "context", "a b/ü"),
        ("on: push", "on", Triggers(PushRule(), None)),
        ("on: {pull_request: }", "on", Triggers(None, RequestRule())),
        (
            "on: {push: {branches: 1.10}}",
            "on",
            Triggers(PushRule(branches=RefFilter(("1.10",))), None),
        ),
    ],
)
def test_short_forms(text: str, field: str, value: object) -> None:
    assert getattr(one(f"    {text}\n"), field) == value


def test_an_alias_stands_for_a_whole_value() -> None:
    api, web = read("version: 1\nimages:\n  api: &x {context: a}\n  web: *x\n").images
    assert (api.context, web.context) == ("a", "a")


def test_an_argument_that_looks_like_a_secret_is_a_warning() -> None:
    config = read("version: 1\nimages:\n  a: {args: {NPM_TOKEN: x}}\n")
    assert [str(warning).split(" (")[0] for warning in config.warnings] == [
        ".pushwright.yaml:3:7: argument `NPM_TOKEN` looks like a secret"
    ]


WORDS = st.sampled_from(
    [
        "version: 1\n",
        "images:\n",
        "  a:\n",
        "    on: {push: {paths: [",
        "*",
        "&a ",
        "*a",
        "!",
        "? ",
        "    tags: |\n",
        "     x\n",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "'",
        '"',
        "#",
        "%",
        "\t",
        "    needs: [a]\n",
        "    args: {A: ",
        "<<: ",
        "---\n",
        "...\n",
        "|2\n",
        ">-\n",
        "\\",
        "~",
        "1",
    ]
)


@settings(max_examples=300)
@given(
    st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=30).map("".join).map(str.encode))
)
@example(b"version: 1\nimages: {a: {on: {push: {paths: ['\xed\xa0\x80']}}}}")
@example(b'version: 1\nimages: {a: {target: "\\ud800"}}')
@example(b"version: 99999999999999999999999999\n" + b"images: {}\n")
@example(b"version: " + b"1" * 6000)
def test_no_bytes_raise(data: bytes) -> None:
    found = parse_repo_file(data)
    if isinstance(found, RepoConfig):
        assert found.images
    else:
        assert found
        assert list(found) == sorted(found, key=lambda one: (one.line, one.column))
        assert all(one.line >= 1 and one.column >= 1 for one in found)
