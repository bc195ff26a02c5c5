"""What a watch makes of whatever the other side sends."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bot.executors.kubernetes.api import Api, Bounds
from bot.executors.kubernetes.watch import USUAL, Place, PodWatch
from bot.ports import Forbidden, Temporary
from tests.fakes.clock import HandClock
from tests.kubernetes.statuses import pod

PLACE = Place("builds", "main")


def numbered(version: int, name: str = "pushwright-b-1", phase: str = "Pending") -> dict[str, Any]:
    made = pod(phase)
    made["metadata"] |= {"name": name, "resourceVersion": str(version)}
    made["metadata"]["annotations"]["pushwright.dev/name"] = name.removeprefix("pushwright-")
    return made


def event(kind: str, found: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


@dataclass
class Server:
    """`watches`: the pieces of each watch, in order; then the server keeps silent."""

    items: Sequence[Mapping[str, Any]] = ()
    watches: list[Sequence[bytes]] = field(default_factory=list)
    lists: int = 0
    asked: list[Mapping[str, str]] = field(default_factory=list)
    forbids: bool = False

    def get(self, path: str, query: Mapping[str, str], *, accept: str = "") -> Mapping[str, object]:
        if self.forbids:
            raise Forbidden("pods is forbidden")
        self.lists += 1
        return {"items": list(self.items), "metadata": {"resourceVersion": "10"}}

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], bounds: Bounds
    ) -> Iterator[Iterator[bytes]]:
        self.asked.append(query)
        assert float(query["timeoutSeconds"]) < bounds.silence < bounds.whole
        if not self.watches:
            raise Temporary("it took too long")
        yield iter(self.watches.pop(0))


def watch(server: Server, clock: HandClock | None = None) -> PodWatch:
    return PodWatch(cast("Api", server), lambda: PLACE, clock or HandClock())


def phase(found: Mapping[str, Any] | None) -> str:
    assert found is not None
    return str(found["status"]["phase"])


def test_events_are_taken_however_they_are_cut() -> None:
    data = event("ADDED", numbered(11)) + event("MODIFIED", numbered(12, phase="Running"))
    for size in (1, 7, 1000):
        pieces = [data[n : n + size] for n in range(0, len(data), size)]
        one = watch(Server(watches=[pieces]))
        one.step()
        assert phase(one.pod("pushwright-b-1")) == "Running"
        assert one.changed() == {"b-1"}
        assert one.changed() == set()


def test_who_waits_is_woken_once_there_is_something_to_tell() -> None:
    told: list[set[str]] = []
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "57"}})
    pieces = [event("ADDED", numbered(11)), bookmark, event("DELETED", numbered(12))]
    server = cast("Api", Server(items=[numbered(5, "pushwright-c-1")], watches=[pieces]))
    one = PodWatch(server, lambda: PLACE, HandClock(), wake=lambda: told.append(one.changed()))
    one.step()
    assert told == [{"c-1"}, {"b-1"}, {"b-1"}]


def test_it_goes_on_where_it_stopped_and_lists_now_and_then() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "57"}})
    server = Server(watches=[[bookmark]] * (USUAL.watches + 1))
    one = watch(server)
    for _ in range(USUAL.watches + 1):
        one.step()
    versions = [query["resourceVersion"] for query in server.asked]
    assert versions == ["10", *["57"] * (USUAL.watches - 1), "10"]
    assert server.lists == 2


@pytest.mark.parametrize(
    "wrong",
    [
        b"{\n",
        b"[]\n",
        b'{"type": "NEW"}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        event("ERROR", {"kind": "Status", "code": 500, "message": "etcd"}),
    ],
)
def test_what_can_not_be_read_means_a_new_list(wrong: bytes) -> None:
    server = Server(watches=[[wrong], []])
    one = watch(server)
    with pytest.raises(Temporary):
        one.step()
    assert one.pods() is None  # nothing is known for sure
    one.step()
    assert server.lists == 2
    assert one.pods() == []


def test_an_expired_version_is_no_failure() -> None:
    gone = event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
    server = Server(watches=[[gone], []])
    one = watch(server)
    assert one.step()
    assert one.step()
    assert server.lists == 2


@pytest.mark.parametrize("ended", ["", "410"])
def test_watches_that_end_as_they_begin_are_not_asked_for_without_a_pause(ended: str) -> None:
    gone = event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
    server = Server(watches=[[gone] if ended else []] * 100)
    one, pauses, told = watch(server), [], ""
    for _ in range(20):
        try:
            one.step()
        except Temporary as error:
            pauses.append(error.after or 0.0)
            told = str(error)
    assert "ends each watch at once" in told
    assert len(pauses) > 15
    assert pauses[-1] >= 15.0
    server.watches = [[event("ADDED", numbered(11))]]
    assert one.step()
    assert one.pod("pushwright-b-1") is not None


def test_what_vanished_between_two_lists_is_told() -> None:
    server = Server(items=[numbered(5)], watches=[[b"{\n"], []])
    one = watch(server)
    with pytest.raises(Temporary):
        one.step()
    assert one.changed() == {"b-1"}
    server.items = []
    one.step()
    assert one.changed() == {"b-1"}
    assert one.pod("pushwright-b-1") is None


def test_an_older_answer_does_not_bring_back_what_is_gone() -> None:
    data = event("ADDED", numbered(11)) + event("DELETED", numbered(13))
    one = watch(Server(watches=[[data]]))
    one.step()
    one.put(numbered(12))
    assert one.pod("pushwright-b-1") is None
    one.put(numbered(14))
    assert phase(one.pod("pushwright-b-1")) == "Pending"
    one.put(numbered(13, phase="Running"))
    assert phase(one.pod("pushwright-b-1")) == "Pending"


def test_what_was_heard_long_ago_is_not_believed() -> None:
    clock = HandClock()
    one = watch(Server(items=[numbered(5)], watches=[[]]), clock)
    one.step()
    assert one.pod("pushwright-b-1") is not None
    clock.turn(USUAL.fresh)
    assert one.pod("pushwright-b-1") is None
    assert one.pods() is None


def test_pauses_grow_and_end_with_the_first_success() -> None:
    server = Server(forbids=True)
    one = watch(server)
    pauses = []
    for _ in range(6):
        with pytest.raises(Temporary, match="lacks a permission") as error:
            one.step()
        pauses.append(error.value.after or 0.0)
    assert 1.0 <= pauses[0] <= 2.0
    assert 15.0 <= pauses[-1] <= 30.0
    server.forbids, server.watches = False, [[]]
    one.step()
    server.forbids = True
    one._version = ""
    with pytest.raises(Temporary) as again:
        one.step()
    assert (again.value.after or 9.0) <= 2.0


def test_nobody_waits_for_a_list_that_was_tried() -> None:
    one = watch(Server(forbids=True))
    with pytest.raises(Temporary):
        one.step()
    one.tried(60.0)
