"""Names. Grammar: https://pkg.go.dev/github.com/distribution/reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import naming
from bot.core.ids import ImageKey, Trust
from bot.core.naming import Reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("app", Reference("docker.io", "library/app")),
        ("user/app:1.2", Reference("docker.io", "user/app", "1.2")),
        ("docker.io/app", Reference("docker.io", "library/app")),
        ("index.docker.io/u/app", Reference("docker.io", "u/app")),
        ("ghcr.io/acme/api:main", Reference("ghcr.io", "acme/api", "main")),
        ("localhost/api", Reference("localhost", "api")),
        ("127.0.0.1:5000/a/b__c:x", Reference("127.0.0.1:5000", "a/b__c", "x")),
        ("[::1]:5000/a", Reference("[::1]:5000", "a")),
        (f"ghcr.io/a@{DIGEST}", Reference("ghcr.io", "a", None, DIGEST)),
        (f"ghcr.io/a:t@{DIGEST}", Reference("ghcr.io", "a", "t", DIGEST)),
    ],
)
def test_a_reference_has_its_parts(text: str, parts: Reference) -> None:
    assert naming.split_reference(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "a//b", "A/b", "a/b:", "a/b:.x", "a/b@sha256:12", "-a", "a-", "a___b", "a..b"),
        *(
            "ghcr.io/",
            "ghcr.io:x/a",
            "http://ghcr.io/a",
            "a b",
            "a\n",
            "é",
            "ghcr.io/a:" + "x" * 129,
        ),
        *("--upload-pack=x", "$(id)", "a/../b", "ghcr.io/" + "a" * 256),
    ],
)
def test_what_is_no_reference_is_none(text: str) -> None:
    assert naming.split_reference(text) is None


@pytest.mark.parametrize(
    ("repository", "image", "name"),
    [
        ("Acme/API", None, "ghcr.io/acme/api"),
        ("group/sub/app", "web", "ghcr.io/group/sub/app/web"),
        ("acme/a_b.c-d", None, "ghcr.io/acme/a_b.c-d"),
        ("acme/.github", None, "ghcr.io/acme/github-bdcc6a2a"),
    ],
)
def test_the_default_name(repository: str, image: str | None, name: str) -> None:
    assert naming.default_image_name("ghcr.io", repository, image) == name


@given(st.text(max_size=300), st.none() | st.text(max_size=300))
def test_the_default_name_is_valid_for_any_path(repository: str, image: str | None) -> None:
    name = naming.default_image_name("ghcr.io", repository, image)
    assert naming.split_reference(name) is not None
    assert naming.name_fault(name) is None


def test_repositories_that_differ_in_more_than_case_do_not_share_a_name() -> None:
    paths = ["o/github", "o/.github", "o/_github", "o/github-", "o/日本", "o/中国"]
    assert len({naming.default_image_name("r.io", path) for path in paths}) == len(paths)


@given(st.text(max_size=300))
def test_a_sanitised_and_shortened_name_with_a_letter_in_front_is_a_tag(text: str) -> None:
    assert naming.is_tag(naming.shorten_tag("x" + naming.sanitize_tag(text)))


def test_a_long_name_is_cut_to_119_and_a_hash() -> None:
    long = "a" * 129
    cut = naming.shorten_tag(long)
    assert len(cut) == 128
    assert cut == f"{'a' * 119}-{naming.hash8(long)}"
    assert naming.shorten_tag("a" * 128) == "a" * 128


@pytest.mark.parametrize(
    ("name", "number", "own"),
    [
        ("pr-15", 15, "pr-15"),
        ("pr-15-alpine", 15, "pr-15-alpine"),
        ("pr-12", 1, "pr-1-pr-12"),
        ("pr-155", 15, "pr-15-pr-155"),
        ("latest", 2, "pr-2-latest"),
    ],
)
def test_a_request_writes_only_below_its_number(name: str, number: int, own: str) -> None:
    assert naming.request_tag(name, number) == own


@pytest.mark.parametrize(
    "name",
    [
        "pr-1",
        "pr-12-x",
        naming.immutable_tag("a" * 40, "b" * 64, 1),
        naming.cache_tag(Trust.TRUSTED, ImageKey("api")),
        naming.cache_tag(Trust.UNTRUSTED, ImageKey("a.b_c-d")),
    ],
)
def test_names_of_requests_builds_and_caches_are_reserved(name: str) -> None:
    assert naming.is_tag(name)
    assert naming.is_reserved_tag(name)


@pytest.mark.parametrize(
    "name", ["pr-x", "pr-1x", "apr-1", "git-lfs", "git-flow-1", "PR-1", "cache", "cache-trust"]
)
def test_other_names_are_not_reserved(name: str) -> None:
    assert not naming.is_reserved_tag(name)


@pytest.mark.parametrize("image", [None, "api", "x" * 400])
def test_a_status_context_fits_the_hosts(image: str | None) -> None:
    context = naming.status_context(image)
    assert context.startswith("pushwright")
    assert len(context) <= 255


def test_a_build_has_the_credential_of_its_image_and_those_of_other_registries() -> None:
    registries = ("quay.io", "ghcr.io", "docker.io")
    given = naming.credential_scopes(registries, "ghcr.io/acme/api")
    assert given == ("docker.io", "ghcr.io/acme/api", "quay.io")
    assert naming.credential_scopes(["docker.io"], "acme/api") == ("docker.io/acme/api",)
    assert naming.credential_scopes(["localhost:5000"], "other:5000/a") == ("localhost:5000",)
    assert naming.credential_scopes(["ghcr.io"], "") == ("ghcr.io",)
