"""For any input: valid names, or values that say what is wrong; linear time, no exception."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.tags import compute, fill, highest_rivals
from bot.core.tags_context import Kind, TagContext
from bot.core.tags_entries import lines_of
from bot.core.tags_rules import parse_rules

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

PIECES = [
    *("type=", "raw", "sha", "ref", "semver", "pep440", "match", "edge", "schedule", ",", "=", '"'),
    *("'", " ", "event=", "branch", "tag", "pr", "pattern=", "{{version}}", "{{raw}}", "{{tag}}"),
    *("{{branch}}", "{{sha}}", "{{date 'YYYY'}}", "{{", "}}", "{{#if tag}}", "{{/if}}", "{{else}}"),
    *("value=", "prefix=", "suffix=", "enable=", "true", "false", "{{is_default_branch}}", "name="),
    *(
        "priority=",
        "9",
        "-",
        ".",
        "/",
        "(.*)",
        r"\d+",
        "group=",
        "1",
        "${{ github.ref_name }}",
        "x",
    ),
    *("latest=", "auto", "onlatest=", "ghcr.io/a", "pr-", "git-"),
]
ANY = st.characters(exclude_categories=())
"""Every character, lone surrogates too: JSON can carry them."""
WORD = st.one_of(st.sampled_from(PIECES), st.text(ANY, max_size=4))
LINE = st.one_of(
    st.lists(WORD, max_size=8).map("".join),
    st.tuples(
        st.sampled_from(
            [
                "type=ref,event=branch",
                "type=ref,event=tag",
                "type=ref,event=pr",
                "type=semver,pattern={{version}}",
                "type=pep440,pattern={{major}}",
                "type=match,pattern=(.*),group=1",
                "type=raw,value={{branch}}{{tag}}x",
                "type=raw,value=${{ github.ref_name }}",
                "type=sha",
                "type=edge",
            ]
        ),
        st.sampled_from(["", ",prefix=", ",suffix="]),
        st.text("ab-._/{}", max_size=4),
    ).map("".join),
)
REF_NAME = st.one_of(
    st.text(ANY, min_size=1, max_size=300),
    st.from_regex(r"(pr|git|v)[-/]?[0-9a-f]{0,3}[.-]?[0-9]*", fullmatch=True),
)


@st.composite
def contexts(draw: st.DrawFn) -> TagContext:
    kind: Kind = draw(st.sampled_from(["branch", "tag", "request", "merge_group", "other"]))
    name, number = draw(REF_NAME), draw(st.integers(1, 9999))
    roots = {"tag": "refs/tags/", "other": ""}
    ref = roots.get(kind, "refs/heads/") + name
    if kind == "request":
        ref = f"refs/pull/{number}/merge"
    return TagContext(
        kind=kind,
        ref=ref,
        sha=draw(st.sampled_from([SHA, ""])),
        repository=draw(st.sampled_from(["acme/api", "Group/Sub/App", "x"])),
        event_name=draw(st.sampled_from(["push", "pull_request", "schedule"])),
        now=NOW,
        default_branch=draw(st.sampled_from(["main", None])),
        number=number if kind == "request" else None,
        base_ref=draw(st.none() | REF_NAME),
        head_ref=draw(st.none() | REF_NAME),
    )


@settings(max_examples=400, deadline=None)
@given(
    st.lists(LINE, max_size=4), st.lists(LINE, max_size=2), st.lists(LINE, max_size=2), contexts()
)
def test_names_are_valid_for_any_input(
    tags: list[str], flavor: list[str], images: list[str], context: TagContext
) -> None:
    found = compute(tags, flavor, [*images, "ghcr.io/acme/api"], context)
    for name in found.names:
        assert TAG.fullmatch(name.name)
        own = f"pr-{context.number}"
        if context.kind == "request":
            assert name.name == own or name.name.startswith(f"{own}-")
        else:
            assert not re.match(r"pr-\d+(-|$)|git-[0-9a-f]{12}(-|$)", name.name)
    assert len({name.name for name in found.names}) == len(found.names)
    for said in (*found.mistakes, *found.warnings):
        assert said.column >= 1
        assert said.message.isprintable()


@settings(deadline=None)
@given(st.text(ANY, max_size=200), contexts())
def test_no_text_makes_the_readers_raise(text: str, context: TagContext) -> None:
    lines_of(text)
    fill(text, context)
    highest_rivals(parse_rules([text, "type=pep440,pattern={{raw}}"]).rules, context, [text])


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python the work runs: a clock that no other load disturbs."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        *("{{", "{{#if tag}}", "{{tag}}", "{{!", "\\{{", "${{ ", "${{ 1 }}"),
        *('"', '""', ",", "=", "a,", "'"),
    ],
)
def test_reading_an_entry_is_linear(piece: str) -> None:
    def read(times: int) -> int:
        return steps(lambda: parse_rules(["type=raw,value=" + piece * times]))

    assert read(240) <= 3 * read(120) + 2000


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(.*)*x", r"([a-z]+)*\d"])
def test_patterns_run_in_linear_time(pattern: str) -> None:
    """On a backtracking engine each of these would not end within the test's time limit."""
    context = TagContext("tag", "refs/tags/" + "a" * 4000 + "!", SHA, "a/b", "push", NOW)
    lines = [f"type=match,pattern={pattern}", "type=sha"]
    found = compute(lines, (), (), context)
    assert found.mistakes == ()
    assert found.names[-1].name == "sha-860c190" or len(found.names) > 1


@pytest.mark.parametrize("count", [1000])
def test_rivals_of_many_git_tags_are_read_once_each(count: int) -> None:
    lines = ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}"]
    rules = parse_rules(lines).rules
    context = TagContext("tag", "refs/tags/v1.0.0", SHA, "a/b", "push", NOW)
    git_tags = [f"v{n // 100}.{n % 100}.0" for n in range(count)]
    rivals = highest_rivals(rules, replace(context), git_tags)
    assert rivals[0, "latest"].git_tag == f"v{(count - 1) // 100}.{(count - 1) % 100}.0"
    assert len(rivals) == count + count // 100 + 1
