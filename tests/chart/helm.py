"""helm, run on the chart."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.programs import tools_folder
from tests.needs import need

ROOT = Path(__file__).parents[2]
CHART = ROOT / "chart"
VALUES = Path(__file__).parent / "values"
NAMES = tuple(sorted(path.stem for path in VALUES.glob("*.yaml")))
VERSION = "1.33.0"
"""Of Kubernetes, for `helm template`, which asks no cluster."""
Json = dict[str, Any]


def program(name: str) -> str:
    """From the programs that are built for the cluster tests, else from PATH."""
    built = tools_folder() / name
    return str(built) if built.exists() else need(name, "make cluster-tools")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [program("helm"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def template(*arguments: str, release: str = "pushwright") -> subprocess.CompletedProcess[str]:
    return helm(
        "template", release, str(CHART), "--namespace=pushwright",
        f"--kube-version={VERSION}", *arguments,
    )  # fmt: skip


def text(values: str, changes: Json | None = None, release: str = "pushwright") -> str:
    """All that a set of values renders."""
    given = [f"--values={VALUES / values}.yaml", *settings(changes or {})]
    done = template(*given, release=release)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(values: str, changes: Json | None = None, release: str = "pushwright") -> list[Json]:
    found = yaml.safe_load_all(text(values, changes, release))
    return [document for document in found if document]


def refusal(values: str | None, changes: Json) -> str:
    """What helm says where it renders nothing."""
    given = [f"--values={VALUES / values}.yaml"] if values else []
    done = template(*given, *settings(changes))
    assert done.returncode == 1, done.stdout
    return done.stderr


def settings(changes: Json) -> list[str]:
    return [f"--set-json={key}={json.dumps(value)}" for key, value in changes.items()]


def only(documents: list[Json], kind: str, name: str | None = None) -> Json:
    found = [
        one for one in documents if one["kind"] == kind and name in (None, one["metadata"]["name"])
    ]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


def pods(documents: list[Json]) -> dict[str, Json]:
    """Pod specs of the bot by the kind and name of what makes them."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["spec"]["template"]["spec"]
        for one in documents
        if one["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def containers(pod: Json) -> list[Json]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def copy_of_chart(folder: Path) -> Path:
    return shutil.copytree(CHART, folder / "chart")
