"""The checks of our requests against the hosts' published documents can fail, and are in force."""

from __future__ import annotations

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.gitlab_parameters import wrong_by_documentation
from tests.fakes.githost.web import Asked
from tests.fakes.openapi_documents import GET_IT, github_requests, gitlab_requests, request_check
from tests.needs import lacking

SHA = "a" * 40


def test_githubs_document_is_here() -> None:
    if github_requests() is None:
        lacking("GitHub's OpenAPI document", GET_IT)


@pytest.mark.parametrize(
    ("method", "target", "body", "mistake"),
    [
        ("POST", f"/repos/a/b/statuses/{SHA}", b'{"state": "success"}', None),
        ("POST", f"/repositories/7/statuses/{SHA}", b'{"state": "success"}', None),
        ("POST", f"/repos/a/b/statuses/{SHA}", b'{"state": "running"}', "running"),
        ("POST", f"/repos/a/b/statuses/{SHA}", b'{"context": "x"}', "state"),
        ("POST", f"/repos/a/b/statuses/{SHA}", b'{"state": "success", "ref": "x"}', "ref"),
        ("POST", f"/repos/a/b/statuses/{SHA}", b"", "lacks a body"),
        ("GET", "/repos/a/b/pulls?state=opened", b"", "state"),
        ("GET", "/repos/a/b/pulls?page=one", b"", "page"),
        ("GET", "/repos/a/b/pulls?sha=1", b"", "unknown parameter"),
        ("GET", "/repos/a/b/pulls/one", b"", "pull_number"),
        ("GET", "/repos/a/b/contents/x/y/z?ref=main", b"", None),
        ("GET", "/repos/a/b/nonsense", b"", "no such operation"),
        ("DELETE", "/repos/a/b/pulls/1", b"", "no such operation"),
        (
            "POST",
            "/app/installations/1/access_tokens",
            b'{"permissions": {"contents": "all"}}',
            "all",
        ),
    ],
)
def test_github(method: str, target: str, body: bytes, mistake: str | None) -> None:
    if github_requests() is None:
        lacking("GitHub's OpenAPI document", GET_IT)
    found = request_check(HostKind.GITHUB)(Asked.of(method, target, {}, body))
    assert (found is None) if mistake is None else (mistake in str(found))


GITLAB = [
    ("POST", f"/projects/1/statuses/{SHA}", b'{"state": "running", "ref": "x"}', None),
    ("POST", f"/projects/1/statuses/{SHA}", b'{"state": "done"}', "state"),
    ("POST", f"/projects/1/statuses/{SHA}", b'{"ref": "x"}', "state"),
    ("GET", "/projects/1/merge_requests?state=open", b"", "state"),
    ("GET", "/projects/1/merge_requests?page=one", b"", "page"),
    ("GET", "/projects/1/nonsense", b"", "no such"),
]


@pytest.mark.parametrize(("method", "target", "body", "mistake"), GITLAB)
def test_gitlab_by_its_documentation(
    method: str, target: str, body: bytes, mistake: str | None
) -> None:
    asked = Asked.of(method, target, {}, body)
    found = wrong_by_documentation(asked.method, asked.path, asked.query, asked.body)
    assert (found is None) if mistake is None else (mistake in str(found))


@pytest.mark.parametrize(("method", "target", "body", "mistake"), GITLAB)
def test_gitlab_by_its_document(method: str, target: str, body: bytes, mistake: str | None) -> None:
    known = gitlab_requests()
    if known is None:
        get = "set PUSHWRIGHT_GITLAB_OPENAPI to the path of its openapi_v3.yaml"
        lacking("GitLab's OpenAPI document", get)
    assert known is not None  # `lacking` does not return
    asked = Asked.of(method, "/api/v4" + target, {}, body)
    found = known.wrong(asked.method, asked.path, asked.query, asked.body)
    assert (found is None) if mistake is None else (mistake in str(found))
