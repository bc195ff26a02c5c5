"""Versions and their order. Facts: https://semver.org/#spec-item-11, https://peps.python.org/pep-0440/."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as Pep440

from bot.core.versions import Scheme, parse_loose, parse_pep440, parse_semver, version_of

SEMVER_ORDER = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.9.6",
    "1.10.0",
    "2.3.0",
]


def test_semver_is_ordered_as_its_standard_says() -> None:
    keys = [version_of("semver", text) for text in SEMVER_ORDER]
    for low, high in itertools.pairwise(keys):
        assert low is not None
        assert high is not None
        assert low < high


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "01.2.3", "1.2.3-01", "=v1.2.3", "1.2.3-", "1.2.3+", "v v1.2.3"),
        *("9007199254740992.0.0", f"1.2.{'9' * 5000}", "１.2.3", "1.2.3\n"),
    ],
)
def test_what_node_semver_refuses_is_no_version(text: str) -> None:
    assert parse_semver(text) is None


def test_semver_gives_its_parts() -> None:
    found = parse_semver("v1.2.3-rc.1+build.5")
    assert found is not None
    assert (found.raw, found.text, found.final) == ("v1.2.3-rc.1+build.5", "1.2.3-rc.1", False)
    assert (found.major, found.minor, found.patch) == (1, 2, 3)
    assert (found.prerelease, found.build) == ("rc,1", "build,5")


def test_build_metadata_has_no_part_in_the_order() -> None:
    assert version_of("semver", "1.2.3+a") == version_of("semver", "1.2.3+b")


PEP440 = st.from_regex(
    r"v?([1-9]!)?[0-9]{1,3}(\.[0-9]{1,2}){0,3}((a|b|rc)[0-9]{1,2})?(\.post[0-9])?(\.dev[0-9])?"
    r"(\+[a-c0-9]{1,2}(\.[a-c0-9])?)?",
    fullmatch=True,
)


@given(PEP440, PEP440)
def test_pep440_is_ordered_as_packaging_orders(left: str, right: str) -> None:
    ours, theirs = parse_pep440(left), parse_pep440(right)
    assert ours is not None
    assert theirs is not None
    assert (ours.version < theirs.version) == (Pep440(left) < Pep440(right))
    assert (ours.version == theirs.version) == (Pep440(left) == Pep440(right))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("1.9", "1.10"),
        ("v1.9.6", "2.3"),
        ("2.0.8-beta.67", "2.0.8"),
        ("2.0.8-beta.9", "2.0.8-beta.67"),
        ("20200110-RC2", "20200110-RC10"),
        ("20200110-RC10", "20200111"),
        ("1.0", "1.0-post1"),
        ("1.0-post1", "1.0.1"),
    ],
)
def test_loose_versions_are_ordered_as_people_read_them(low: str, high: str) -> None:
    lower, higher = parse_loose(low), parse_loose(high)
    assert lower is not None
    assert higher is not None
    assert lower < higher


def test_loose_versions_ignore_trailing_zeros() -> None:
    assert parse_loose("2.0") == parse_loose("v2.0.0")
    assert parse_loose("release") is None


@given(st.text(max_size=40), st.sampled_from(["semver", "pep440", "loose"]))
def test_a_key_is_made_again_from_its_text(text: str, scheme: Scheme) -> None:
    version = version_of(scheme, text)
    if version is not None:
        assert version_of(version.scheme, version.text) == version
