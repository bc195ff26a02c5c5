"""What the flows need of a registry, held against the real client with a real registry and against
the one in memory that scenarios use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.core.ids import Digest
from bot.ports import NotFound, Registry
from bot.registry.client import RegistryClient
from bot.registry.transport import Endpoint
from tests.fakes.clock import HandClock
from tests.fakes.registry_memory import MemoryRegistry
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need
from tests.registry.images import make_image, push

NOWHERE = Digest(f"sha256:{'1' * 64}")


@dataclass(frozen=True, slots=True)
class Subject:
    """`push(path, tag, text)` is what a builder does."""

    registry: Registry
    host: str
    push: Callable[[str, str, str], Digest]

    def name(self, path: str) -> str:
        return f"{self.host}/{path}"


@pytest.fixture(params=["memory", "real"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "memory":
        memory = MemoryRegistry()
        host = "reg.test"
        yield Subject(
            memory, host, lambda path, tag, text: memory.push(f"{host}/{path}", tag, text)
        )
        return
    need(PROGRAM, GET)
    with RegistryProcess(tmp_path / "registry") as process:
        endpoints = {process.host: Endpoint(process.host, insecure=True)}
        client = RegistryClient(endpoints.get, HandClock(), sleep=lambda _: None)
        url = f"http://{process.host}"
        yield Subject(
            client, process.host, lambda path, tag, text: push(url, path, make_image(text), tag)
        )
        client.close()


def test_what_is_pushed_answers_by_tag_and_by_digest(subject: Subject) -> None:
    name = subject.name("acme/api")
    digest = subject.push("acme/api", "git-1", "one")
    assert subject.registry.digest(name, "git-1") == digest
    assert subject.registry.digest(name, digest) == digest
    manifest = subject.registry.manifest(name, digest)
    assert manifest.digest == digest
    assert (subject.registry.size(name, manifest) or 0) > 0


def test_what_is_not_there_is_none(subject: Subject) -> None:
    subject.push("acme/api", "git-1", "one")
    assert subject.registry.digest(subject.name("acme/api"), "v2") is None
    assert subject.registry.digest(subject.name("acme/api"), NOWHERE) is None
    assert subject.registry.digest(subject.name("acme/none"), "v2") is None
    with pytest.raises(NotFound):
        subject.registry.manifest(subject.name("acme/api"), "v2")


def test_a_tag_moves_to_bytes_that_are_there_and_to_nothing_else(subject: Subject) -> None:
    name = subject.name("acme/api")
    one = subject.push("acme/api", "git-1", "one")
    two = subject.push("acme/api", "git-2", "two")
    assert one != two
    for digest in (one, two, two, one):
        subject.registry.move(name, "main", digest)
        assert subject.registry.digest(name, "main") == digest
    with pytest.raises(NotFound):
        subject.registry.move(name, "main", NOWHERE)
    assert subject.registry.digest(name, "main") == one


def test_a_copy_is_the_same_digest_under_another_name(subject: Subject) -> None:
    source, target = subject.name("acme/api"), subject.name("mirror/api")
    digest = subject.push("acme/api", "git-1", "one")
    for _ in range(2):
        subject.registry.copy(source, digest, target, "main")
        assert subject.registry.digest(target, "main") == digest
        assert subject.registry.manifest(target, digest).digest == digest
    with pytest.raises(NotFound):
        subject.registry.copy(source, NOWHERE, target, "other")
