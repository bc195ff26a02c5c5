"""All codecs: every recorded delivery means what its golden file says, and no bytes break them."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.events import (
    BranchPushed,
    Event,
    Ignored,
    Malformed,
    Parsed,
    Pinged,
    RequestChanged,
    TagPushed,
)
from bot.core.ids import HostKind
from bot.hosts.fields import Fields, Unreadable
from bot.hosts.gitea import codec as gitea
from bot.hosts.github import codec as github
from bot.hosts.gitlab import codec as gitlab
from tests.needs import need
from tests.payloads.catalogue import PARSERS, Recorded, golden_text, recorded

CODECS = {HostKind.GITHUB: github, HostKind.GITLAB: gitlab, HostKind.GITEA: gitea}
RECORDED = tuple(recorded())
BY_NAME = {delivery.name: delivery for delivery in RECORDED}
EVENT_NAMES = sorted({(d.host, d.event) for d in RECORDED})
PARSED = (*get_args(Event), Ignored, Malformed)
MISSING = object()
FORM = "application/x-www-form-urlencoded"

each_delivery = pytest.mark.parametrize("delivery", RECORDED, ids=lambda d: d.name)


def document(name: str) -> Any:
    return json.loads(BY_NAME[name].body())


def parse(name: str, change: Callable[[Any], object]) -> Parsed:
    """What the recorded delivery means after `change` was made to its document."""
    body = document(name)
    change(body)
    delivery = BY_NAME[name]
    return PARSERS[delivery.host](delivery.event, json.dumps(body).encode())


@each_delivery
def test_a_recorded_delivery_means_what_its_golden_file_says(delivery: Recorded) -> None:
    assert golden_text(delivery.parse()) == delivery.golden.read_text("utf-8")


@each_delivery
def test_the_form_encoding_means_the_same(delivery: Recorded) -> None:
    body = urlencode({"payload": delivery.body().decode()}).encode()
    codec = CODECS[delivery.host]
    assert codec.parse(delivery.event, body, f"{FORM}; charset=utf-8") == delivery.parse()


def paths(value: Any, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


def holder(body: Any, path: tuple[str | int, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


WRONG: Final[tuple[Any, ...]] = (
    MISSING,
    None,
    [],
    {},
    "",
    "x\x00y",
    "\ud800",
    -1,
    2**70,
    True,
    0.5,
)


@pytest.mark.parametrize("many", [1, pytest.param(len(WRONG), marks=pytest.mark.long)])
@each_delivery
def test_every_field_may_be_missing_or_null_or_of_another_kind(
    delivery: Recorded, many: int
) -> None:
    """Each path of the document, one at a time, with so `many` of the wrong values, in turn."""
    body = json.loads(delivery.body())
    for number, path in enumerate(tuple(paths(body))):
        place, key = holder(body, path), path[-1]
        whole = copy.copy(place)
        for value in (WRONG * 2)[number % len(WRONG) :][:many]:
            if value is MISSING:
                del place[key]
            else:
                place[key] = value
            parsed = PARSERS[delivery.host](delivery.event, json.dumps(body).encode())
            assert isinstance(parsed, PARSED)
            if not isinstance(parsed, Malformed):
                text = golden_text(parsed)
                text.encode()  # no half characters: it can be stored
                assert "\\u0000" not in text
            restore(place, whole)


def restore(place: Any, whole: Any) -> None:
    place.clear()
    place.update(whole) if isinstance(place, dict) else place.extend(whole)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(
    st.sampled_from(EVENT_NAMES),
    st.binary() | json_values.map(lambda v: json.dumps(v).encode()),
    st.sampled_from(["application/json", FORM, "", "text/plain; charset=latin-1"]),
)
@settings(max_examples=400, deadline=None)
def test_no_bytes_make_a_codec_raise(
    event: tuple[HostKind, str], body: bytes, content_type: str
) -> None:
    assert isinstance(CODECS[event[0]].parse(event[1], body, content_type), PARSED)


@given(st.sampled_from(RECORDED), st.data())
@settings(max_examples=400, deadline=None)
def test_no_value_in_any_place_makes_a_codec_raise(delivery: Recorded, data: st.DataObject) -> None:
    body = json.loads(delivery.body())
    for path in data.draw(st.lists(st.sampled_from(tuple(paths(body))), max_size=3)):
        try:
            holder(body, path)[path[-1]] = data.draw(json_values)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    parsed = PARSERS[delivery.host](delivery.event, json.dumps(body).encode())
    assert isinstance(parsed, PARSED)


@given(st.text())
def test_event_names_are_not_trusted_either(name: str) -> None:
    for codec in CODECS.values():
        assert isinstance(codec.parse(name, b"{}"), PARSED)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'\xef\xbb\xbf{"ref": 1}', "not JSON"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"a":' * 1_000_000, "nested too deeply"),
        (b'{"before": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"before": NaN}', "NaN is not a JSON value"),
        (b"[]", "expected an object, found a list"),
        (b'"text"', "expected an object, found a text"),
        (b"null", "expected an object, found null"),
    ],
    ids=lambda v: v[:16].decode("latin-1") if isinstance(v, bytes) else "",
)
def test_what_is_no_document_is_malformed(body: bytes, reason: str) -> None:
    for parsed in (
        github.parse("push", body),
        gitlab.parse("Push Hook", body),
        gitea.parse("push", body),
    ):
        assert isinstance(parsed, Malformed)
        assert reason in parsed.reason


@pytest.mark.parametrize(
    "body", [b"", b"payload", b"other=1", b"payload=1&payload=2", b"payload=%7B", b"&" * 5000]
)
def test_a_form_without_its_one_payload_is_malformed(body: bytes) -> None:
    assert isinstance(github.parse("push", body, FORM), Malformed)


def test_a_malformed_field_is_named_by_its_path() -> None:
    def shorten(body: Any) -> None:
        body["pull_request"]["head"]["sha"] = "1a95462"

    assert parse("github/pull_request.opened", shorten) == Malformed(
        "expected a full commit id, found a text", "pull_request.head.sha"
    )

    def number_label(body: Any) -> None:
        body["labels"].append({"title": 7})

    assert parse("gitlab/merge_request_hook.open", number_label) == Malformed(
        "expected a text, found a number", "labels[0].title"
    )
    assert parse("github/push.branch", lambda body: body.pop("repository")) == Malformed(
        "an object is missing", "repository"
    )


@pytest.mark.parametrize(
    "case", ["A" * 40, "a" * 39, "a" * 41, "g" * 40, "a" * 40 + "\n", "0" * 39]
)
def test_only_full_lower_case_ids_are_commits(case: str) -> None:
    parsed = parse("github/push.branch", lambda body: body.update(after=case))
    assert isinstance(parsed, Malformed)
    assert parsed.where == "after"


def test_sha256_repositories_are_read() -> None:
    long = hashlib.sha256(b"commit").hexdigest()
    zero = "0" * 64
    parsed = parse("gitlab/push_hook.branch", lambda body: body.update(after=long, before=zero))
    assert isinstance(parsed, BranchPushed)
    assert (parsed.sha, parsed.before) == (long, None)


@pytest.mark.parametrize(
    "path", ["acme", "acme/..", "../shop", "acme/a b", "acme/x\n", "/", "a//b"]
)
def test_a_repository_path_can_not_leave_its_place(path: str) -> None:
    parsed = parse("github/push.branch", lambda b: b["repository"].update(full_name=path))
    assert isinstance(parsed, Malformed)


def test_refs_are_kept_as_they_came() -> None:
    for name in ("-x", "--upload-pack=x", "$(id)", "a'\"b;c", "é" * 125, "e\u0301", "v1.2.3+build"):
        for host in ("github/push.branch", "gitlab/push_hook.branch", "gitea/push.branch"):
            ref = f"refs/heads/{name}"
            parsed = parse(host, lambda body, ref=ref: body.update(ref=ref))  # type: ignore[misc]
            assert isinstance(parsed, BranchPushed)
            assert parsed.branch == name


@pytest.mark.parametrize("ref", ["refs/heads/", "refs/tags/", "refs/pull/1/head", "main", "HEAD"])
def test_what_is_neither_branch_nor_tag_is_ignored(ref: str) -> None:
    assert isinstance(parse("github/push.branch", lambda b: b.update(ref=ref)), Ignored)
    assert isinstance(parse("gitlab/push_hook.branch", lambda b: b.update(ref=ref)), Ignored)
    assert isinstance(parse("gitea/push.branch", lambda b: b.update(ref=ref)), Ignored)


@pytest.mark.parametrize("ref", ["refs/heads/a\nb", "refs/heads/a\x7f", "refs/heads/" + "é" * 600])
def test_what_git_can_not_hold_is_malformed(ref: str) -> None:
    parsed = parse("github/push.branch", lambda body: body.update(ref=ref))
    assert isinstance(parsed, Malformed)
    assert parsed.where == "ref"


def test_an_annotated_tag_is_the_commit_under_it() -> None:
    for name, field in (
        ("github/push.tag-annotated", "head_commit"),
        ("gitlab/tag_push_hook.annotated", ""),
        ("gitea/push.tag-annotated", "head_commit"),
    ):
        parsed = BY_NAME[name].parse()
        assert isinstance(parsed, TagPushed)
        body = document(name)
        assert parsed.sha != body["after"]
        assert parsed.sha == (body[field]["id"] if field else body["checkout_sha"])
    # Without the peeled commit nobody can say what was tagged: never the tag object's own id.
    assert isinstance(parse("github/push.tag-annotated", lambda b: b.pop("head_commit")), Malformed)
    assert isinstance(parse("gitea/push.tag-annotated", lambda b: b.pop("head_commit")), Malformed)
    assert isinstance(
        parse("gitlab/tag_push_hook.annotated", lambda b: b.pop("checkout_sha")), Malformed
    )


def test_what_is_only_shown_is_one_line_whatever_it_was() -> None:
    for description, licenses, shown in (
        ("A\n  shop\x1b[31m", {"spdx_id": "MIT"}, ("A shop[31m", "MIT")),
        (["A"], "MIT", ("", "")),
        (None, {"spdx_id": 1}, ("", "")),
    ):
        body = document("github/push.branch")
        body["repository"] |= {"description": description, "license": licenses}
        event = github.parse("push", json.dumps(body).encode())
        assert isinstance(event, BranchPushed)
        assert (event.repository.description, event.repository.licenses) == shown


def test_a_push_of_2048_commits_is_one_head() -> None:
    body = document("github/push.branch")
    body["commits"] = [
        {**body["head_commit"], "id": hashlib.sha1(b"%d" % n).hexdigest(), "modified": ["a/b"] * 20}
        for n in range(2047)
    ] + [body["head_commit"]]
    parsed = github.parse("push", json.dumps(body).encode())
    assert parsed == BY_NAME["github/push.branch"].parse()


def test_a_name_on_its_own_is_no_reason_for_trust() -> None:
    """A request whose head repository can't be read counts as one from a fork."""
    for name, drop in (
        ("github/pull_request.opened", lambda b: b["pull_request"]["head"].pop("repo")),
        (
            "gitlab/merge_request_hook.open",
            lambda b: b["object_attributes"].pop("source_project_id"),
        ),
        ("gitea/pull_request.opened-draft", lambda b: b["pull_request"]["head"].pop("repo")),
    ):
        parsed = parse(name, drop)
        assert getattr(parsed, "fork", None) is True


def test_what_anybody_may_push_for_review_is_never_the_repositorys_own() -> None:
    """`git push origin HEAD:refs/for/main/topic` needs no write access on a Gitea, and its delivery
    names the base repository as the head's."""
    name = "gitea/pull_request.opened-by-agit"
    request = document(name)["pull_request"]
    assert request["head"]["repo"]["id"] == request["base"]["repo"]["id"]
    parsed = BY_NAME[name].parse()
    assert isinstance(parsed, RequestChanged)
    assert parsed.fork
    own = BY_NAME["gitea/pull_request.opened-draft"].parse()
    assert isinstance(own, RequestChanged)
    assert not own.fork


def test_giteas_drafts_are_titles() -> None:
    name = "gitea/pull_request.edited-title"

    def titled(was: str, *, draft: bool) -> Parsed:
        def change(body: Any) -> None:
            body["changes"]["title"]["from"] = was
            body["pull_request"]["draft"] = draft

        return parse(name, change)

    for was, draft, action in (("[WIP] a", False, "ready"), ("a", True, "drafted")):
        parsed = titled(was, draft=draft)
        assert isinstance(parsed, RequestChanged)
        assert parsed.action == action
    assert isinstance(titled("wip: a", draft=True), Ignored)


def test_giteas_people_without_an_account_are_ghosts() -> None:
    def gone(body: Any) -> None:
        body["comment"]["user"] |= {"id": -1, "login": "Ghost", "username": "Ghost"}

    parsed = parse("gitea/pull_request_comment.created", gone)
    assert getattr(parsed, "author").id is None  # noqa: B009


def test_the_test_button_of_a_gitea_hook_pushes_nothing() -> None:
    assert isinstance(BY_NAME["gitea/push.test-button"].parse(), Pinged)


def test_fields_do_not_take_true_for_a_number() -> None:
    with pytest.raises(Unreadable):
        Fields({"id": True}).number("id")


@pytest.fixture(scope="session")
def octokit() -> Path:
    need("npm", "apt-get install npm")
    script = Path(__file__).parents[1] / "tools" / "octokit.sh"
    done = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.mark.parametrize(
    "folder", ["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"]
)
def test_everything_that_github_recorded_is_read(octokit: Path, folder: str) -> None:
    """GitHub's own examples, https://github.com/octokit/webhooks."""
    events = json.loads((octokit / folder / "index.json").read_text("utf-8"))
    seen: set[str] = set()
    for event in events:
        for example in event["examples"]:
            parsed = github.parse(event["name"], json.dumps(example).encode())
            assert not isinstance(parsed, Malformed), (event["name"], parsed)
            seen.add(type(parsed).__name__)
    assert {"RequestChanged", "Ignored"} <= seen
