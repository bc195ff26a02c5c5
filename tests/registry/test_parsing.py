"""Names, challenges and manifests: examples, and no text raises anything of its own."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ports import Permanent
from bot.registry.challenges import Challenge, parse_challenges
from bot.registry.manifests import read_manifest
from bot.registry.references import api_host, canonical_host, is_digest, is_tag, parse_name
from bot.registry.refusals import retry_after, words_of


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [
        ("alpine", "docker.io", "library/alpine"),
        ("acme/api", "docker.io", "acme/api"),
        ("index.docker.io/acme/api", "docker.io", "acme/api"),
        ("docker.io/alpine", "docker.io", "library/alpine"),
        ("GHCR.io/acme/api", "ghcr.io", "acme/api"),
        ("localhost/api", "localhost", "api"),
        ("127.0.0.1:5000/a/b__c", "127.0.0.1:5000", "a/b__c"),
        ("[::1]:5000/a", "[::1]:5000", "a"),
    ],
)
def test_names(text: str, host: str, repository: str) -> None:
    name = parse_name(text)
    assert (name.host, name.repository) == (host, repository)
    assert parse_name(str(name)) == name
    assert api_host("docker.io") == "registry-1.docker.io"


@pytest.mark.parametrize(
    "text",
    ["", "Acme/API", "a.io/x:tag", "a.io/../x", "a.io//x", "u:p@a.io/x", "a.io/x?y", "a.io/x#y",
     "a.io:port/x", "a.io/" + "x" * 256, "a.io/x\n", "a.io\n/x", "-a.io/x", "http://a.io/x"],
)  # fmt: skip
def test_bad_names(text: str) -> None:
    with pytest.raises(Permanent):
        parse_name(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://a.io/token",service="a.io",scope="repository:x:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://a.io/token",
                        "service": "a.io",
                        "scope": "repository:x:pull,push",
                    },
                )
            ],
        ),
        ('BASIC realm="a \\"b\\""', [Challenge("basic", {"realm": 'a "b"'})]),
        (
            'Negotiate, Basic realm=x, Bearer Realm = "y"',
            [
                Challenge("negotiate"),
                Challenge("basic", {"realm": "x"}),
                Challenge("bearer", {"realm": "y"}),
            ],
        ),
        ('Bearer realm="unfinished', [Challenge("bearer")]),
    ],
)
def test_challenges(header: str, expected: list[Challenge]) -> None:
    assert list(parse_challenges(header))[: len(expected)] == expected


@given(st.text() | st.text(alphabet='Bearer ="\\,realm;\t', max_size=200))
def test_no_text_raises(text: str) -> None:
    parse_challenges(text)
    retry_after(text, 0.0)
    words_of(text.encode("utf-8", "surrogatepass"))
    with suppress(Permanent):
        canonical_host(text)
    with suppress(Permanent):
        name = parse_name(text)
        assert parse_name(str(name)) == name
    assert not (is_digest(text) and is_tag(text))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["config", "layers", "manifests", "digest", "size", "mediaType", "urls"]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise(body: bytes) -> None:
    with suppress(Permanent):
        read_manifest(body, "application/vnd.oci.image.manifest.v1+json")
