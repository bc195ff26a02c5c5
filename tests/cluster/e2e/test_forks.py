"""A fork's pull request on a real node: nothing runs until somebody approves that commit. Then a
pod runs in a namespace and on a node of its own, with nothing in it that is worth stealing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api import Json
from tests.cluster.e2e.bot import SECRET, Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.node import NAME

pytestmark = pytest.mark.timeout(400)
NewBot = Callable[..., Bot]
POOL = {"pool": "strangers"}
TAINT = {"key": "pool", "value": "strangers", "effect": "NoSchedule"}
PUSH = "canary-of-the-push-credential"
NPM = "canary-of-the-build-secret"
CONFIG = """\
version: 1
images:
  app:
    on: {push: {branches: [main]}, pull_request: {}}
    secrets: [{id: npm, from: npm, events: [push, tag, pull_request]}]
"""


@contextmanager
def strangers_node(ground: Ground) -> Iterator[None]:
    """The only node takes strangers' builds and no others."""
    path = f"/api/v1/nodes/{NAME}"
    ground.api.patch(path, {"metadata": {"labels": POOL}, "spec": {"taints": [TAINT]}})
    try:
        yield
    finally:
        none = dict.fromkeys(POOL)
        ground.api.patch(path, {"metadata": {"labels": none}, "spec": {"taints": None}})


@pytest.fixture
def project(own_bot: NewBot, ground: Ground, tmp_path: Path) -> Project:
    """Its bot holds a push credential, a build secret and a token; forks go to `strangers`."""
    host = ground.registry.host
    auth = base64.b64encode(f"robot:{PUSH}".encode()).decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    held = {
        "bot-auth-file": str(tmp_path / "auth.json"),
        "pod-auth-file": str(tmp_path / "auth.json"),
    }
    npm = {"secret": "npm", "key": "token", "repositories": ["acme/*"]}
    npm["events"] = ["push", "tag", "pull_request"]
    bot = own_bot(
        kubernetes={
            "untrusted": {
                "namespace": ground.namespace("strangers"),
                "node-selector": POOL,
                "tolerations": [TAINT],
            }
        },
        config={"registries": {host: {"insecure": True, **held}}, "secrets": {"npm": npm}},
    )
    secret = {"metadata": {"name": "npm"}, "stringData": {"token": NPM}}
    ground.api.create(f"/api/v1/namespaces/{bot.namespace}/secrets", secret)
    made = new_project(bot, private=False)
    bot.host.set_role(made.repository, "ada", "write")
    return made


def test_an_approved_fork_has_nothing_and_leaves_nothing(project: Project) -> None:
    bot, ground, host = project.bot, project.bot.ground, project.bot.host
    strangers = str(bot.central()["kubernetes"]["untrusted"]["namespace"])
    gate = ground.gate()
    trusted = project.push(
        {**_dockerfile(ground, "test -s", gate.step), ".pushwright.yaml": CONFIG}
    )
    gate.reached()
    own = bot.wait_for_pod(trusted)
    assert PUSH in _found(_everything(ground, own)), "what is looked for can be found"
    gate.open()
    project.wait(trusted, "success", "pushwright/app")

    gate = ground.gate()
    fork = host.fork(project.repository, "mallory/app")
    sha = host.commit(fork, "topic", _dockerfile(ground, "test ! -e", gate.step), by="mallory")
    request = host.open_request(project.repository, "topic", head=fork, by="mallory")
    project.wait_text(sha, f"waiting for /ok-to-test {sha}")
    assert bot.pods_made(strangers) == []

    before = ground.registry.traffic()
    with strangers_node(ground):
        host.comment(project.repository, f"/ok-to-test {sha}", number=request.number)
        gate.reached()
        kept_off = project.push({"README.md": "The node is the strangers' now\n"})
        pod = bot.wait_for_pod(sha, strangers)
        _check_place(pod)
        seen = _everything(ground, pod)
        assert _found(seen, (bot.token,)) == set(), seen.keys()
        _check_recipe(seen)
        gate.open()
        assert "built, not pushed" in str(
            project.wait(sha, "success", "pushwright/app").description
        )
        project.wait(sha, "success")
        moved = ground.registry.traffic() - before
        assert [moved.count(verb) for verb in ("POST", "PUT", "PATCH", "DELETE")] == [0, 0, 0, 0]
        project.wait_text(kept_off, "waiting for a node")
    project.wait(kept_off, "success")
    assert f"pr-{request.number}" not in project.tags()
    assert bot.pods_made(strangers) == [pod["metadata"]["name"]]


def _dockerfile(ground: Ground, test: str, step: str) -> dict[str, str]:
    """Its step looks for the build secret, then waits."""
    run = f"--mount=type=secret,id=npm {test} /run/secrets/npm && {step}"
    return {"Dockerfile": f"FROM {ground.base}\nRUN {run}\n"}


def _check_place(pod: Json) -> None:
    spec = pod["spec"]
    assert spec["nodeSelector"] == POOL
    assert TAINT in [{key: one.get(key) for key in TAINT} for one in spec["tolerations"]]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountToken" not in json.dumps(spec["volumes"])


def _check_recipe(seen: Mapping[str, str]) -> None:
    recipe: dict[str, Any] = json.loads(seen["secret recipe.json"])
    assert recipe.get("push") is None
    assert recipe["cache"]["to"] is None
    assert recipe["build"]["secrets"] == []
    assert json.loads(seen["secret config.json"]).get("auths", {}) == {}
    assert not {"secret username", "secret password"} & seen.keys()


def _everything(ground: Ground, pod: Json) -> dict[str, str]:
    """All that a pod is, has and says."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    here = f"/api/v1/namespaces/{namespace}"
    seen = {"pod": json.dumps(pod), "events": json.dumps(ground.api.get(f"{here}/events"))}
    data = ground.api.get(f"{here}/secrets/{name}")["data"]
    seen |= {f"secret {key}": base64.b64decode(text).decode() for key, text in data.items()}
    seen |= {f"log {one}": ground.log(namespace, name, one) for one in ("docker", "dind")}
    for process in ground.processes(pod):
        with suppress(OSError):  # it has ended meanwhile
            read = ((process / part).read_bytes() for part in ("cmdline", "environ"))
            seen[f"process {process.name}"] = b"\n".join(read).decode("utf-8", "replace")
    return seen


def _found(seen: Mapping[str, str], more: tuple[str, ...] = ()) -> set[str]:
    """Which canaries are somewhere in it, encoded or not."""
    text = "\n".join(seen.values())
    auth = base64.b64encode(f"robot:{PUSH}".encode()).decode()
    spellings = {
        PUSH: (PUSH, auth),
        NPM: (NPM,),
        SECRET: (SECRET,),
        **{one: (one,) for one in more},
    }
    return {name for name, spelled in spellings.items() if any(one in text for one in spelled)}
