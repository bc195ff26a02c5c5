"""`render-pod`: golden files, no secret in it, and the same pod that the executor is given.

`python -m tests.commands.test_render_pod` writes the golden file anew: read its difference.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core.ids import HostKind, ImageKey
from bot.core.reports_pods import Rendered, yaml_text
from bot.executors.kubernetes.inputs import Credentials, build_secret
from bot.executors.kubernetes.manifest import build_pod
from bot.executors.kubernetes.names import identity_of
from bot.podrendering import HIDDEN, NO_BUILD
from tests.commands.running import GITHUB, GITLAB, Ended, asked
from tests.fakes.githost.host import PLAYED
from tests.scenarios.world import opened

GOLDEN = Path(__file__).parents[1] / "golden" / "rendered"
CENTRAL = GOLDEN / "central.yaml"
CANARY = "canary-6e1f"
FILE = """\
version: 1
images:
  base: {context: base, image: registry.example.com/acme/shop/base}
  api:
    context: api
    target: final
    needs: [base]
    secrets: [{id: npm, from: npm}, {id: maven, from: maven}]
    resources: {cpu: 4, memory: 8Gi}
    timeout: 10m
"""

ONE = """\
version: 1
images:
  shop: {secrets: [{id: npm, from: npm}], timeout: 7m}
"""


def render(payload: Path, *more: str | Path, **how: str) -> Ended:
    return asked("render-pod", payload, "--central", CENTRAL, *more, **how)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "pushwright.yaml"
    file.write_text(text)
    return file


def two_images(tmp_path: Path) -> Ended:
    file = written(tmp_path, FILE)
    return render(GITHUB / "push.branch.json", "--config", file)


SMALL = Rendered(
    ImageKey("api"),
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pushwright-0-1", "labels": {"pushwright.dev/attempt": "1"}},
        "spec": {
            "initContainers": [{"command": ["sh", "-c", "if true; then\n  echo $$HOME\nfi\n"]}],
            "activeDeadlineSeconds": 60,
            "automountServiceAccountToken": False,
        },
    },
    {
        "kind": "Secret",
        "stringData": {
            "password": HIDDEN,
            "recipe.json": '{\n "url": "https://a.test/\u00fc"\n}\n',
        },
    },
)
"""What a pod is made of is tests/golden/pods; this is how it is written."""


def test_the_yaml_is_its_golden_file() -> None:
    text = yaml_text(SMALL)
    assert text == (GOLDEN / "small.yaml").read_text()
    assert list(yaml.safe_load_all(text)) == [SMALL.secret, SMALL.pod]


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(two_images(tmp_path).out))
    file = tmp_path / "pushwright.yaml"
    pods = render(GITHUB / "push.branch.json", "--config", file, "--json").json()["pods"]
    assert documents == [one for pod in pods for one in (pod["secret"], pod["pod"])]
    assert [pod["image"] for pod in pods] == ["base", "api"]
    alone = render(GITHUB / "push.branch.json", "--config", file, "--json", "--image", "api").json()
    assert alone["pods"] == pods[1:]


def test_values_of_secrets_are_hidden_and_no_file_is_read(tmp_path: Path) -> None:
    """The files that the central config names do not exist here."""
    _, api = render(
        GITHUB / "push.branch.json", "--config", written(tmp_path, FILE), "--json"
    ).json()["pods"]
    shown = api["secret"]["stringData"]
    plain = {name for name, value in shown.items() if value != HIDDEN}
    assert plain == {"recipe.json", "hosts-registry.internal_5000"}
    assert {"password", "config.json", "build-secret-0"} <= set(shown) - plain
    assert "data" not in api["secret"]
    [builder] = api["pod"]["spec"]["containers"]
    assert builder["name"] == "docker"
    [dind] = api["pod"]["spec"]["initContainers"]
    assert dind["resources"]["requests"]["cpu"] == "4"
    sources = next(v for v in api["pod"]["spec"]["volumes"] if v["name"] == "input")
    named = [one["secret"]["name"] for one in sources["projected"]["sources"]]
    assert named[1:] == ["maven"]


@pytest.mark.parametrize("kind", PLAYED)
def test_it_is_the_pod_that_the_executor_is_given(kind: HostKind, tmp_path: Path) -> None:
    """But for the build's id, which does not exist yet, and what the id is part of."""
    (tmp_path / "npm").write_text(CANARY)
    files = {
        ".pushwright.yaml": ONE,
        "Dockerfile": "FROM scratch\n",
    }
    section = {"namespace": "builds", "builder-image": "reg.test/pushwright:1"}
    secrets = {"npm": {"file": str(tmp_path / "npm"), "repositories": "**"}}
    more: dict[str, Any] = {"executor": "kubernetes", "kubernetes": section, "secrets": secrets}
    with opened(kind, tmp_path, **more) as world:
        world.push(files)
        world.run()
        [run] = world.executor.runs.values()
        sent = world.host.hooks.deliveries
        [delivery] = [one for one in sent if one.event in ("push", "Push Hook")][-1:]
    kubernetes = world.central.kubernetes
    assert kubernetes is not None
    spec, identity = run.spec, identity_of(run.spec, kubernetes.instance)
    pod = build_pod(spec, kubernetes.pods, identity)
    credentials = Credentials(secrets={"npm": CANARY})
    secret: Any = build_secret(spec, kubernetes.pods, identity, credentials)

    (tmp_path / "event.json").write_text(json.dumps(delivery.payload))
    (tmp_path / "central.json").write_text(json.dumps(world.config))
    config = written(tmp_path, files[".pushwright.yaml"])
    shown = asked(
        "render-pod", tmp_path / "event.json", "--central", tmp_path / "central.json",
        "--config", config, "--json", event=delivery.event, host=str(kind),
    ).json()["pods"][0]  # fmt: skip
    real = json.dumps(pod).replace(spec.origin.build, NO_BUILD)
    assert shown["pod"] == json.loads(real)
    assert shown["secret"]["metadata"] == shown["pod"]["metadata"]
    plain = {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}
    assert set(shown["secret"]["stringData"]) == set(plain)
    recipe = json.loads(plain["recipe.json"].replace(spec.origin.build, NO_BUILD))
    assert json.loads(shown["secret"]["stringData"]["recipe.json"]) == recipe
    assert CANARY not in json.dumps(shown)


@pytest.mark.parametrize(
    ("payload", "event", "says"),
    [
        ("pull_request.opened-from-fork", "pull_request", "waiting for /ok-to-test"),
        ("push.tag-deleted", "push", "delete"),
        ("delete.branch", "delete", "push event"),
    ],
)
def test_what_builds_nothing(payload: str, event: str, says: str) -> None:
    ended = render(GITHUB / f"{payload}.json", event=event)
    assert (ended.code, says in ended.out) == (0, True), ended
    assert says in render(GITHUB / f"{payload}.json", "--json", event=event).json()["ignored"]


@pytest.mark.parametrize(
    ("central", "says"),
    [
        ("version: 1\n", "sources"),
        (CENTRAL.read_text().partition("executor:")[0], "no section `kubernetes`"),
        (CENTRAL.read_text().replace("github:acme/*", "github:other/*"), "serves no repository"),
        (CENTRAL.read_text().replace("kind: github", "kind: gitlab"), "no such github source"),
        ("", ""),
    ],
)
def test_central_configs_that_will_not_do(tmp_path: Path, central: str, says: str) -> None:
    file = tmp_path / "central.yaml"
    if central:
        file.write_text(central)
    ended = asked("render-pod", GITHUB / "push.branch.json", "--central", file)
    assert ended.code == 1
    assert says in ended.err or "can't be read" in ended.err
    assert ended.out == ""


def test_an_image_that_is_not_built(tmp_path: Path) -> None:
    ended = render(GITHUB / "push.branch.json", "--image", "none")
    assert (ended.code, "it builds: shop" in ended.err) == (1, True)


def test_mistakes_are_all_told(tmp_path: Path) -> None:
    file = written(tmp_path, FILE.replace("npm", "unknown"))
    ended = render(GITHUB / "push.branch.json", "--config", file)
    assert (ended.code, ended.out) == (1, "")
    assert "unknown" in ended.err


def test_central_is_needed() -> None:
    assert asked("render-pod", GITLAB / "push_hook.branch.json", host="gitlab").code == 2


if __name__ == "__main__":
    (GOLDEN / "small.yaml").write_text(yaml_text(SMALL))
