"""What a user sees of pushes: images, tags, statuses, and how little the registry sends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.core.ids import HostKind
from tests.cluster.api import Json
from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.images import DIND29
from tests.fakes.registry_process import Traffic

pytestmark = pytest.mark.timeout(240)
DOCKERFILE = """\
FROM {base} AS notes
COPY notes.txt /notes.txt
RUN sleep 1 && wc /notes.txt

FROM {base} AS app
RUN head -c 3000000 /dev/urandom > /dependencies
COPY . /app
"""
IGNORED = "README.md\nnotes.txt\nDockerfile\n.dockerignore\n"
LITTLE = 100_000
"""Bytes: manifests and configurations."""


def files(project: Project) -> dict[str, str]:
    return {
        "Dockerfile": DOCKERFILE.format(base=project.bot.ground.base),
        ".dockerignore": IGNORED,
        "README.md": "An app\n",
        "notes.txt": "notes\n",
        "app.txt": "hello\n",
    }


def fetched(ground: Ground, before: Traffic) -> int:
    return (ground.registry.traffic() - before).bytes("GET")


def hits(build: Json) -> list[str]:
    """`yes`, `no` or unknown for each step of the Dockerfile but FROM, in its order."""
    return [step["hit"] for step in build["steps"] if "FROM" not in step["name"]]


def check_hits(project: Project, build: Json) -> None:
    """Docker 20.10's daemon tells through buildx; a miss is told by both."""
    assert "no" not in hits(build), build["steps"]
    assert hits(build), build


def test_a_push_becomes_an_image_with_its_tag(project: Project) -> None:
    sha = project.push(files(project))
    status = project.wait(sha, "success", project.context)
    project.wait(sha, "success")
    build = project.build(sha)
    assert build["digest"] == project.digest("main") != ""
    assert str(status.description).startswith("ok "), status
    assert project.tags() == dict.fromkeys(("main", f"sha-{sha[:7]}"), build["digest"])


def test_what_did_not_change_is_not_built_and_hardly_fetched(project: Project) -> None:
    """The same tree again, a file behind .dockerignore, a file of a stage that nobody uses."""
    ground, lazy = project.bot.ground, project.bot.dockerd == DIND29
    first = project.green(files(project))
    for change in ({}, {"README.md": "An app, told better\n"}, {"notes.txt": "more\n"}):
        before = ground.registry.traffic()
        build = project.green(change)
        assert build["digest"] == first["digest"], change
        check_hits(project, build)
        if lazy:
            assert fetched(ground, before) < LITTLE, change


def test_a_change_of_the_last_layer_builds_that_alone(project: Project) -> None:
    first = project.green(files(project))
    build = project.green({"app.txt": "hello, again\n"})
    assert build["digest"] != first["digest"]
    told = hits(build)
    assert told[-1] == "no"
    assert "no" not in told[:-1], build["steps"]


def test_a_tag_of_a_built_commit_moves_manifests_alone(project: Project) -> None:
    sha = project.push(files(project))
    project.wait(sha, "success")
    made, before = len(project.bot.pods_made()), project.bot.ground.registry.traffic()
    project.set_refs({"refs/tags/v1.2.3": sha})
    project.wait(sha, "success", "pushwright (tag)")
    assert project.tags().keys() >= {"main", "1.2.3"}
    assert len(set(project.tags().values())) == 1
    assert len(project.bot.pods_made()) == made
    moved = project.bot.ground.registry.traffic() - before
    assert moved.count("GET", "blob") == moved.count("POST") == moved.count("PATCH") == 0


@pytest.mark.parametrize("dockerd", [DIND29], indirect=True)  # 20.10 fetches all
def test_a_linked_last_layer_needs_no_other(project: Project) -> None:
    """`COPY --link` does not depend on what is below, so nothing of that is fetched."""
    ground = project.bot.ground
    stages = (
        "FROM {base}\nRUN head -c 3000000 /dev/urandom > /dependencies\nCOPY --link app.txt /\n"
    )
    project.green({"Dockerfile": stages.format(base=ground.base), "app.txt": "hello\n"})
    before = ground.registry.traffic()
    build = project.green({"app.txt": "hello, again\n"})
    assert "yes" in hits(build)
    assert fetched(ground, before) < LITTLE


@pytest.mark.parametrize("dockerd", [DIND29], indirect=True)
def test_two_images_of_one_file_are_built_apart(project: Project) -> None:
    """A stage is an image each; what both stand on and what only the other has hits."""
    base = project.bot.ground.base
    stages = (
        f"FROM {base} AS common\nCOPY common.txt /\nRUN head -c 100 /dev/urandom > /common\n"
        "FROM common AS web\nCOPY web.txt /\nFROM common AS job\nCOPY job.txt /\n"
    )
    config = "version: 1\nimages:\n  web: {target: web}\n  job: {target: job}\n"
    texts = {f"{name}.txt": name for name in ("common", "web", "job")}
    sha = project.push({"Dockerfile": stages, ".pushwright.yaml": config, **texts})
    project.wait(sha, "success")
    first = {key: project.build(sha, key) for key in ("web", "job")}
    assert first["web"]["digest"] != first["job"]["digest"]

    sha = project.push({"web.txt": "web, told better\n"})
    project.wait(sha, "success")
    web, job = project.build(sha, "web"), project.build(sha, "job")
    assert web["digest"] != first["web"]["digest"]
    assert hits(web)[-1] == "no"
    assert "no" not in hits(web)[:-1], web["steps"]
    assert job["digest"] == first["job"]["digest"]
    check_hits(project, job)


def test_gitlab_too(own_bot: Callable[..., Bot]) -> None:
    project = new_project(own_bot(kind=HostKind.GITLAB))
    build = project.green(files(project))
    assert project.digest("main") == build["digest"] != ""
