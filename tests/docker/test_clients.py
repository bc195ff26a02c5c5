"""Which build client is taken, and which are passed over with what is told of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.builder.budget import Budget
from bot.builder.clients import Client, choose
from bot.builder.outcome import BuildFailed
from tests.fakes.docker_process import ROOT


def _chosen(folder: Path, name: str, says: str) -> Client:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    budget = Budget(10)
    try:
        return choose(program, {"PATH": "/usr/bin:/bin"}, folder, budget)
    finally:
        budget.close()


def test_a_buildx_that_pushes_by_itself_is_taken(tmp_path: Path) -> None:
    client = _chosen(tmp_path, "docker-buildx", "github.com/docker/buildx v0.22.0 18ccba0")
    assert str(client) == "buildx 0.22.0"


def test_an_older_buildx_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"buildx 0\.13\.1\+ds1 is older than 0\.22"):
        _chosen(tmp_path, "docker-buildx", "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1")


def test_a_new_docker_without_buildx_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"docker \(needs buildx beside it\)"):
        _chosen(tmp_path, "docker", "Docker version 28.2.2, build e6534b4")


def test_the_image_has_the_buildx_that_the_tests_use() -> None:
    image = re.search(r"docker/buildx-bin:(\S+)", (ROOT / "Dockerfile").read_text())
    tools = (ROOT / "tests/tools/buildx/go.mod").read_text()
    tested = re.search(r"docker/buildx v(\S+)", tools)
    assert image is not None
    assert tested is not None
    assert image[1] == tested[1]
