"""A Dockerfile that nobody trusts names no program that runs inside BuildKit. What the real daemons
take for a name of one, the builder's reader takes, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.builder.classes import BuildClass
from bot.builder.frontends import check_frontends, frontends
from bot.builder.outcome import BuildFailed
from bot.builder.recipe import Recipe
from bot.builder.tree import Inputs
from tests.docker.site import DEBIAN_BUILDX, DOCKER29, Site, on
from tests.docker.test_reading import _parse

EVIL = "127.0.0.1:9/evil/frontend:1"
SPELLINGS = {
    "usual": f"# syntax={EVIL}\n",
    "second": f"#escape=`\r\n#SYNTAX \t=  {EVIL} --some option\r\n",
    "behind what ends a line elsewhere": f"# escape=`\x0c\n#  sYnTaX = {EVIL}\n",
}
"""Where both daemons see it."""
OLDER = {"behind an unknown one": f"# about=this\x0b\x85\n# syntax={EVIL}\n"}
"""Where dockerd 20.10 does."""
NEWER = {
    "byte order mark": f"\ufeff# syntax={EVIL}\n",
    "slashes": f"// syntax={EVIL}\n",
    "shebang": f"#!/usr/bin/env docker\n# syntax={EVIL}\n",
    "JSON": f'{{"syntax": "{EVIL}"}}\n',
}
"""Where dockerd 29 does."""
NONE = (
    "FROM scratch\n# syntax=x/y\n",
    "\n# syntax=x/y\nFROM scratch\n",
    "# about it\n# syntax=x/y\nFROM scratch\n",
    "# check=skip=all\nFROM scratch\n",
    "",
)


def recipe(*allowed: str, **args: str) -> Recipe:
    made: Recipe = _parse(build={"args": args})
    return replace(made, frontends=allowed or ("docker.io/docker/dockerfile",))


def checked(folder: Path, text: str, rules: Recipe) -> BuildFailed | None:
    file = folder / "Dockerfile"
    file.write_bytes(text.encode())
    try:
        check_frontends(rules, Inputs(folder, file, "app/Dockerfile"))
    except BuildFailed as failure:
        return failure
    return None


@pytest.mark.parametrize("text", [*(SPELLINGS | OLDER | NEWER).values()])
def test_a_name_that_is_not_listed_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    failure = checked(tmp_path, f"{text}FROM scratch\n", recipe())
    assert failure is not None
    assert failure.kind is BuildClass.DOCKERFILE
    assert failure.position is not None
    lines = text.split("\n")
    line = next(n for n, one in enumerate(lines, 1) if "syntax" in one.lower())
    assert (failure.position.file, failure.position.line) == ("app/Dockerfile", line)
    assert failure.message.startswith(f"app/Dockerfile:{line}: `")
    assert "docker.io/docker/dockerfile only" in failure.message
    assert "Leave it out" in failure.message
    assert "`trust.frontends`" in failure.message
    assert checked(tmp_path, text, replace(recipe(), frontends=None)) is None


@pytest.mark.parametrize("text", NONE)
def test_where_buildkit_sees_no_name_there_is_none(tmp_path: Path, text: str) -> None:
    assert list(frontends(text.encode())) == []
    assert checked(tmp_path, text, recipe()) is None


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("docker/dockerfile", True),
        ("docker/dockerfile:1", True),
        ("docker/dockerfile:1.7-labs", True),
        (f"docker.io/docker/dockerfile:1@sha256:{'a' * 64}", True),
        ("mirror.test:5000/hub/docker/dockerfile:1", True),
        ("docker/dockerfile-upstream:master", False),
        ("dockerfile", False),
        ("evil.test/docker/dockerfile:1", False),
        ("localhost/docker/dockerfile", False),
        ("Docker/dockerfile:1", False),
        ("docker/dockerfile:1/../../evil", False),
        ("evil.test/x#docker.io/docker/dockerfile", False),
        ('"docker/dockerfile:1"', False),
    ],
)
def test_names_are_held_to_the_list(tmp_path: Path, value: str, good: bool) -> None:
    rules = recipe("docker.io/docker/dockerfile", "mirror.test:5000/hub/**")
    assert (checked(tmp_path, f"# syntax={value}\nFROM scratch\n", rules) is None) == good
    given_ = replace(rules, build=replace(rules.build, args={"BUILDKIT_SYNTAX": value}))
    failure = checked(tmp_path, "FROM scratch\n", given_)
    assert (failure is None) == good
    if failure is not None:
        assert failure.kind is BuildClass.CONFIG
        assert f"the build argument BUILDKIT_SYNTAX={value} names" in failure.message


def test_what_is_hidden_behind_megabytes_is_not_overlooked(tmp_path: Path) -> None:
    failure = checked(tmp_path, "#a=b\n" * 1_000_000 + f"# syntax={EVIL}\n", recipe())
    assert failure is not None
    assert "larger than 4 MiB" in failure.message


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_or_hide_a_name(data: bytes) -> None:
    list(frontends(data))
    line = b"#syntax=evil" + data.replace(b"\n", b"")
    assert [value for _, value in frontends(b"#x=y\n" + line)][:1]


@on(DEBIAN_BUILDX, DOCKER29)
def test_what_the_daemon_takes_for_a_name_is_one(site: Site) -> None:
    """Trusted code may name any, so there the daemon itself is asked for it."""
    repository = site.repository()
    shapes = SPELLINGS | (NEWER if site.name == DOCKER29 else OLDER)
    for text in shapes.values():
        sha = repository.commit({"Dockerfile": text if text[0] == "{" else f"{text}FROM scratch\n"})
        ended = site.build(repository, sha, push=None, limits={"registry_waits": []})
        assert "evil/frontend" in str(ended.result["message"]), (text, ended.result)


def test_it_is_refused_before_the_daemon_hears_of_it(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"# syntax={EVIL}\nFROM {site.base}\n"})
    ended = site.build(repository, sha, push=None, frontends=["docker.io/docker/dockerfile"])
    assert (ended.kind, ended.result["line"]["line"]) == ("dockerfile", 1)
    assert "Dockerfile:1: `127.0.0.1:9/evil/frontend:1` names a frontend" in str(
        ended.result["message"]
    )
    assert ended.log == ""
