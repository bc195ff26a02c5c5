"""Pods as the executor makes them, on a real node: made by hand, without the bot."""

from __future__ import annotations

import json
import urllib.request

import pytest

from bot.core.builds import OutcomeClass
from tests.cluster.e2e.attempts import Attempts
from tests.fakes.githost.host import FakeHost

pytestmark = pytest.mark.timeout(240)
DOCKERFILE = "FROM {base}\nCOPY app.txt /app.txt\nRUN cat /app.txt && echo built > /built\n"


def test_a_commit_becomes_an_image(attempts: Attempts, githost: FakeHost) -> None:
    repository = githost.create_repository("acme/shop", private=True)
    token = githost.create_token("pushwright", repository, "read")
    files = {"Dockerfile": DOCKERFILE.format(base=attempts.ground.base), "app.txt": "hello\n"}
    sha = githost.commit(repository, "main", files)
    spec = attempts.spec(githost.clone_url(repository), sha, token)
    finished = attempts.run(spec)

    result = finished.result
    assert result.outcome is OutcomeClass.SUCCEEDED, (result, finished.output[-3000:])
    reference = str(spec.recipe["push"]["reference"])  # type: ignore[index]
    name, _, tag = reference.partition("/")[2].rpartition(":")
    url = f"{attempts.ground.registry.url}/v2/{name}/manifests"
    accept = "application/vnd.oci.image.manifest.v1+json"
    accept += ", application/vnd.docker.distribution.manifest.v2+json"
    asked = urllib.request.Request(f"{url}/{tag}", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.headers["Docker-Content-Digest"] == result.digest
        assert len(json.load(answer)["layers"]) == 3
    numbers = [record["n"] for record in finished.records]
    assert numbers == list(range(1, len(numbers) + 1))
    assert "hello" in finished.log
    assert token not in finished.output + json.dumps(finished.pod)
