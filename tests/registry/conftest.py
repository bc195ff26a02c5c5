"""A real registry, open and with a password, and clients for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.registry.client import RegistryClient
from bot.registry.transport import Endpoint
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need


class Time:
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """Open to all, shared by the tests of a session: each uses repositories of its own."""
    need(PROGRAM, GET)
    with RegistryProcess(tmp_path_factory.mktemp("registry") / "data") as process:
        yield process


@pytest.fixture
def other_registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    need(PROGRAM, GET)
    with RegistryProcess(tmp_path / "other") as process:
        yield process


MakeClient = Callable[..., RegistryClient]


@pytest.fixture
def make_client(clock: Time) -> Iterator[MakeClient]:
    """`make_client(endpoint, …)`: a client that knows these endpoints, closed at the end."""
    made: list[RegistryClient] = []

    def make(*endpoints: Endpoint) -> RegistryClient:
        known = {endpoint.host: endpoint for endpoint in endpoints}
        made.append(RegistryClient(known.get, clock, sleep=lambda _: None))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(registry: RegistryProcess, make_client: MakeClient) -> RegistryClient:
    return make_client(Endpoint(registry.host, insecure=True))
