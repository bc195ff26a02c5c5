"""The article's way of 2019 beside ours, in turns on one node, with the same dockerd in both.

Its pod has a client's container and a docker:dind beside it that listens on TCP without TLS. There,
by hand: clone, `docker build --cache-from` with inline cache, `docker push`. dockerd of today waits
15 s on purpose before it listens so, unless `--tls=false` says that it is meant. The article's was
older and did not wait, so it is said here: the comparison does not live on that pause. What is done
by hand is a script in the pod, which takes no time to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.byhand import DOCKERFILE, SCENARIOS
from tests.bench.cluster_builds import Run, pod_created
from tests.bench.table import Row, Target, median
from tests.cluster.api import Json
from tests.cluster.e2e.attempts import terminated
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.images import BOT, DIND29

TARGET = Target("at most", 1.05)
CLIENT = "/usr/bin/docker"
SCRIPT = """\
set -eu
say() { echo "at $1 $(date +%s.%N)"; }
until docker version > /dev/null 2>&1; do sleep 0.1; done
say ready
git clone -q "$SOURCE" /src/app
say cloned
$BUILD --tag "$NAME" /src/app
say built
docker push "$NAME"
say pushed
"""
BUILD29 = "docker-buildx build --load --provenance=false --cache-to=type=inline"
BUILD20 = "docker build --build-arg BUILDKIT_INLINE_CACHE=1"


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds: pod created to image pushed, of which `alone` for build and push."""

    whole: float
    alone: float


@dataclass(slots=True)
class Pair:
    """A repository that both ways build, each with its own last image as cache."""

    run: Run
    project: Project
    image: str = ""

    def ours(self, files: Mapping[str, str]) -> Taken:
        found = self.run.push(self.project, files)
        self.run.bot.wait_for_no_pod()
        return Taken(found.image - found.created, found.alone)

    def theirs(self) -> Taken:
        """The head of main, in a pod of their own."""
        ground, number = self.run.ground, self.run.ground.number()
        name = f"{ground.registry.host}/by-hand/{self.project.path}:{number}"
        here = f"/api/v1/namespaces/{self.run.bot.namespace}/pods"
        pod = ground.api.create(here, self._pod(f"article-{number}", name))
        path = f"{here}/{pod['metadata']['name']}"
        try:
            ended = terminated(
                ground.api.wait_for(path, lambda one: terminated(one) is not None, 120)
            )
            said = ground.log(self.run.bot.namespace, pod["metadata"]["name"])
        finally:
            ground.api.delete(path, {"gracePeriodSeconds": 0})
        if ended is None or ended["exitCode"] != 0:
            raise RuntimeError(f"the article's pod failed: {said[-600:]}")
        self.image = name
        lines = [line.split() for line in said.splitlines() if line.startswith("at ")]
        at = {words[1]: float(words[2]) for words in lines}
        created = pod_created(ground.cluster.plane, pod["metadata"]["name"])
        self.run.bot.wait_for_no_pod()
        return Taken(at["pushed"] - created, at["pushed"] - at["cloned"])

    def _pod(self, name: str, image: str) -> Json:
        host, new = self.run.ground.registry.host, self.run.bot.dockerd == DIND29
        build = BUILD29 if new else BUILD20
        build += f" --cache-from {self.image}" if self.image else ""
        source = self.run.bot.host.clone_url(self.project.repository)
        client = {
            "DOCKER_HOST": "tcp://localhost:2375", "DOCKER_BUILDKIT": "1", "HOME": "/tmp",
            "SOURCE": source, "BUILD": build, "NAME": image,
        }  # fmt: skip
        return {
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "containers": [_dockerd(self.run.bot.dockerd, host), _client(client)],
                "volumes": [
                    {"name": "docker", "emptyDir": {}},
                    {"name": "source", "emptyDir": {}},
                    {"name": "client", "hostPath": {"path": CLIENT, "type": "File"}},
                ],
            },
        }


def _dockerd(image: str, registry: str) -> Json:
    argv = ["dockerd", "--host=unix:///var/run/docker.sock", "--host=tcp://0.0.0.0:2375"]
    argv += ["--tls=false", "--mtu=1440"]
    argv += [f"--insecure-registry={one}" for one in (registry, f"http://{registry}")]
    return {
        "name": "dind",
        "image": image,
        "command": argv,
        "env": _env({"DOCKER_MIN_API_VERSION": "1.24"}),  # the client by hand is Debian's
        "securityContext": {"privileged": True},
        "resources": {"requests": {"cpu": "100m"}},
        "volumeMounts": [{"name": "docker", "mountPath": "/var/lib/docker"}],
    }


def _client(env: Mapping[str, str]) -> Json:
    """Our own image, for its git and buildx, with the machine's docker client."""
    return {
        "name": "docker",
        "image": BOT,
        "command": ["sh", "-c", SCRIPT],
        "env": _env(env),
        "securityContext": {"runAsUser": 0},
        "resources": {"requests": {"cpu": "100m"}},
        "volumeMounts": [
            {"name": "source", "mountPath": "/src"},
            {"name": "client", "mountPath": CLIENT, "readOnly": True},
        ],
    }


def _env(values: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


def measure(run: Run) -> list[Row]:
    """The last of the cold rounds leaves the images from which the others take their cache."""
    files = {"Dockerfile": DOCKERFILE.format(base=run.ground.base), ".dockerignore": "README.md\n"}
    files |= dict.fromkeys(("app.txt", "unused.txt", "README.md"), "1\n")
    rows = []
    first = Pair(run, new_project(run.bot, private=False))
    first.ours(files)  # the node's files are read from disk here: not counted, for either way
    first.theirs()
    for title, changed in SCENARIOS.items():
        ours, theirs = [], []
        for n in range(run.sizes.rounds):
            if changed is None:
                pair = Pair(run, new_project(run.bot, private=False))
            ours.append(pair.ours(files if changed is None else {changed: f"{title} {n}\n"}))
            theirs.append(pair.theirs())
        rows.append(_row(title, ours, theirs))
    return rows


def _row(title: str, ours: list[Taken], theirs: list[Taken]) -> Row:
    whole, alone = median([one.whole for one in ours]), median([one.alone for one in ours])
    other, bare = median([one.whole for one in theirs]), median([one.alone for one in theirs])
    note = f"medians of {len(ours)}: {whole:.2f} s and {other:.2f} s, of which the build with its "
    note += f"push {alone:.2f} s and {bare:.2f} s"
    return Row(f"{title}: ours / the article's way", whole / other, "times", TARGET, note)
