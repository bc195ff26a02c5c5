"""The lines that reproduce a build, as a shell reads them."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.planning import plan
from bot.core.plans import PlannedImage
from bot.core.reproduction import build_lines, pull_line, quoted
from tests.core.scene import A, claim, config, facts, pushed
from tests.needs import need

TEXT = """\
version: 1
images:
  base: {context: base}
  api:
    context: services/api
    dockerfile: docker/Dockerfile
    target: final
    platforms: [linux/arm64]
    args: {VERSION: "{{branch}}", SPACED: "a 'b' $(id)"}
    contexts: {docs: ./docs}
    needs: [base]
  root: {context: ., no-cache: true, needs: [{image: base, arg: BASE}]}
"""


def planned(key: str) -> PlannedImage:
    images = claim(plan(facts(pushed(), config=config(TEXT)))).images
    return next(one for one in images if one.image == key)


def words(recipe: Any, **needs: str) -> list[str]:
    checkout, line = build_lines(recipe, needs)
    assert checkout == f"git fetch origin {A} && git checkout --detach {A}"
    return shlex.split(line)


def test_everything_that_decides_the_image() -> None:
    found = words(planned("api").recipe, base="reg.test/base@sha256:1")
    labels = [one for one in found if one.startswith("--label=")]
    assert [one for one in found if one not in labels] == [
        "docker",
        "buildx",
        "build",
        "--platform=linux/arm64",
        "--target=final",
        "--build-arg=SPACED=a 'b' $(id)",
        "--build-arg=VERSION=main",
        "--build-context=docs=docs",
        "--build-context=base=docker-image://reg.test/base@sha256:1",
        "--file",
        "services/api/docker/Dockerfile",
        "./services/api",
    ]


def test_at_the_root_and_a_need_as_an_argument() -> None:
    found = words(planned("root").recipe, base="reg.test/base@sha256:1")
    assert {"--no-cache", "--pull"} <= set(found)
    assert "--build-arg=BASE=reg.test/base@sha256:1" in found
    assert found[-3:] == ["--file", "Dockerfile", "."]
    assert not [one for one in words(planned("root").recipe) if "BASE" in one]


def test_secrets_are_named() -> None:
    recipe = {"source": {"sha": A}, "build": {"secrets": [{"id": "npm"}, {"id": ""}]}}
    assert [one for one in words(recipe) if "secret" in one] == ["--secret=id=npm"]


def test_what_is_no_recipe() -> None:
    assert build_lines({}, {}) == build_lines({"source": 1, "build": {}}, {}) == []


def test_pull() -> None:
    assert pull_line("reg.test/a", "sha256:1") == "docker pull reg.test/a@sha256:1"


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_a_shell_reads_back_what_was_quoted(text: str) -> None:
    shell = need("bash", "apt-get install bash")
    word = quoted(text)
    assert word.isprintable()
    run = [shell, "-c", f"printf %s {word}"]
    env = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    assert subprocess.run(run, capture_output=True, check=True, env=env).stdout.decode() == text
