"""The client against a real docker-registry."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest

from bot.core.ids import Digest
from bot.ports import Forbidden, NotFound, Permanent, Registry, Temporary
from bot.registry.client import RegistryClient
from bot.registry.transport import Endpoint
from tests.fakes.loopback import free_port
from tests.fakes.registry_process import RegistryProcess
from tests.registry.conftest import MakeClient
from tests.registry.images import make_image, make_index, push, put_manifest

NOWHERE = Digest("sha256:" + "0" * 64)


@pytest.fixture
def repository() -> str:
    return f"acme/r{uuid4().hex[:12]}"


@pytest.fixture
def name(registry: RegistryProcess, repository: str) -> str:
    return f"{registry.host}/{repository}"


def test_it_is_the_port(client: RegistryClient) -> None:
    port: Registry = client
    assert port is client


@pytest.mark.parametrize("oci", [True, False])
def test_digest_and_manifest(
    registry: RegistryProcess, client: RegistryClient, repository: str, name: str, oci: bool
) -> None:
    image = make_image("one", oci=oci)
    digest = push(registry.url, repository, image, "v1")
    assert client.digest(name, "v1") == digest
    assert client.digest(name, digest) == digest
    assert client.manifest(name, "v1") == image.manifest
    assert client.size(name, image.manifest) == image.size


def test_what_is_not_there(client: RegistryClient, name: str) -> None:
    assert client.digest(name, "v1") is None
    assert client.digest(name, NOWHERE) is None
    with pytest.raises(NotFound, match="v1"):
        client.manifest(name, "v1")
    with pytest.raises(NotFound):
        client.move(name, "v1", NOWHERE)


def test_move_puts_the_same_bytes_and_reads_no_blob(
    registry: RegistryProcess, client: RegistryClient, repository: str, name: str
) -> None:
    one, two = make_image("one"), make_image("two")
    push(registry.url, repository, one, "git-1")
    push(registry.url, repository, two, "git-2")
    client.move(name, "latest", one.manifest.digest)
    before = registry.traffic()
    client.move(name, "latest", two.manifest.digest)
    moved = registry.traffic() - before
    assert client.manifest(name, "latest") == two.manifest
    assert client.digest(name, "git-1") == one.manifest.digest
    assert moved.count(kind="blob") == moved.count(kind="upload") == 0
    before = registry.traffic()
    client.move(name, "latest", two.manifest.digest)
    assert (registry.traffic() - before).count(method="PUT") == 0


def test_copy_within_a_registry_mounts(
    registry: RegistryProcess, client: RegistryClient, repository: str, name: str
) -> None:
    image = make_image("mounted")
    digest = push(registry.url, repository, image, "v1")
    before = registry.traffic()
    client.copy(name, digest, f"{name}/prod", "v1")
    traffic = registry.traffic() - before
    assert client.manifest(f"{name}/prod", "v1") == image.manifest
    assert traffic.count("POST", "upload", 201) == len(image.blobs)
    assert traffic.count("GET", "blob") == 0


def test_copy_of_an_index_across_registries(
    registry: RegistryProcess,
    other_registry: RegistryProcess,
    make_client: MakeClient,
    repository: str,
    name: str,
) -> None:
    images = [make_image(f"child {n}") for n in range(3)]
    for image in images:
        push(registry.url, repository, image, f"child-{image.manifest.digest[7:19]}")
    index = make_index(images)
    put_manifest(registry.url, repository, index, "v1")
    client = make_client(
        Endpoint(registry.host, insecure=True), Endpoint(other_registry.host, insecure=True)
    )
    target = f"{other_registry.host}/mirror/api"
    client.copy(name, index.digest, target, "v1")
    assert client.manifest(target, "v1") == index
    for image in images:
        assert client.manifest(target, image.manifest.digest) == image.manifest
    assert client.size(target, index) == images[0].size
    before = other_registry.traffic()
    client.copy(name, index.digest, target, "v1")
    assert (other_registry.traffic() - before).count() == 1


def test_a_large_layer_is_streamed(
    registry: RegistryProcess,
    other_registry: RegistryProcess,
    make_client: MakeClient,
    repository: str,
    name: str,
) -> None:
    image = make_image("large", layer=os.urandom(3 * 1024 * 1024 + 17))
    push(registry.url, repository, image, "v1")
    client = make_client(
        Endpoint(registry.host, insecure=True), Endpoint(other_registry.host, insecure=True)
    )
    client.copy(name, image.manifest.digest, f"{other_registry.host}/big", "v1")
    assert client.digest(f"{other_registry.host}/big", "v1") == image.manifest.digest
    assert other_registry.stored_bytes() == image.size + len(image.manifest.body)


def test_delete_tag_never_takes_the_digest_along(
    registry: RegistryProcess, client: RegistryClient, repository: str, name: str
) -> None:
    image = make_image("kept")
    digest = push(registry.url, repository, image, "git-1")
    client.move(name, "main", digest)
    deleted = client.delete_tag(name, "git-1")
    assert client.digest(name, "main") == digest
    assert (client.digest(name, "git-1") is None) == deleted
    before = registry.traffic()
    with pytest.raises(Permanent, match="no tag"):
        client.delete_tag(name, digest)
    assert (registry.traffic() - before).count() == 0


def test_cache_records(
    registry: RegistryProcess, client: RegistryClient, repository: str, name: str
) -> None:
    plain, cached = make_image("x"), make_image("x", inline_cache=True)
    push(registry.url, repository, plain, "plain")
    push(registry.url, repository, cached, "cached")
    assert not client.cache_records(name, plain.manifest.digest)
    assert client.cache_records(name, cached.manifest.digest)


def test_only_named_registries_are_asked(client: RegistryClient, registry: RegistryProcess) -> None:
    client.ping(registry.host)
    with pytest.raises(Forbidden, match="not under `registries`"):
        client.digest("169.254.169.254/latest", "v1")


def test_a_registry_that_is_down(make_client: MakeClient) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(Temporary, match=f"no connection to {host}"):
        make_client(Endpoint(host, insecure=True)).digest(f"{host}/api", "v1")


def test_a_plain_registry_is_not_spoken_to_unless_said_so(
    registry: RegistryProcess, make_client: MakeClient
) -> None:
    before = registry.traffic()
    with pytest.raises(Temporary, match="TLS"):
        make_client(Endpoint(registry.host)).digest(f"{registry.host}/api", "v1")
    assert (registry.traffic() - before).count() == 0


def test_one_client_in_many_threads(
    registry: RegistryProcess, client: RegistryClient, repository: str, name: str
) -> None:
    """docker-registry itself answers 500 now and then when one image gets many tags at once."""
    digest = push(registry.url, repository, make_image("threads"), "git-1")

    def move(number: int) -> bool:
        for _ in range(20):
            with suppress(Temporary):
                client.move(name, f"t{number}", digest)
                return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(move, range(40)))
    assert {client.digest(name, f"t{number}") for number in range(40)} == {digest}
