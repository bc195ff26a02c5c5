"""Lists that have no end, or whose place expires on the way, of a scripted API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest

from bot.executors.kubernetes import pages
from bot.executors.kubernetes.api import METADATA, Api, Gone
from bot.executors.kubernetes.leftovers import Leftovers
from bot.executors.kubernetes.pages import Ask, listed
from bot.executors.kubernetes.watch import Place, PodWatch
from bot.ports import Temporary
from tests.fakes.clock import HandClock

ASK = Ask("/api/v1/namespaces/builds/pods", "x=y")
PLACE = Place("builds", "main")
Query = Mapping[str, str]


class Server:
    """`answer(n, query)` to its n-th question, from 1."""

    def __init__(self, answer: Callable[[int, Query], Mapping[str, Any]]) -> None:
        self._answer = answer
        self.asked: list[Query] = []
        self.accepts: list[str] = []

    def get(self, path: str, query: Query, *, accept: str = "") -> Mapping[str, Any]:
        self.asked.append(dict(query))
        self.accepts.append(accept)
        return self._answer(len(self.asked), query)

    @property
    def api(self) -> Api:
        return cast("Api", self)


def page(number: int, more: str = "") -> Mapping[str, Any]:
    made = {"name": f"pod-{number}", "resourceVersion": "7"}
    return {"items": [{"metadata": made}], "metadata": {"resourceVersion": "9", "continue": more}}


def names(found: list[Mapping[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def endless(number: int, query: Query) -> Mapping[str, Any]:
    return page(number, f"token-{number}")


def test_pages_follow_one_another() -> None:
    server = Server(lambda n, _: page(n, f"token-{n}" if n < 3 else ""))
    found, version = listed(server.api, HandClock(), ASK)
    assert (names(found), version) == (["pod-1", "pod-2", "pod-3"], "9")
    assert [query.get("continue", "") for query in server.asked] == ["", "token-1", "token-2"]
    assert {query["limit"] for query in server.asked} == {"500"}


def test_a_list_without_an_end_is_left() -> None:
    server = Server(endless)
    with pytest.raises(Temporary, match="more than 100 pages"):
        listed(server.api, HandClock(), ASK)
    assert len(server.asked) == pages.PAGES


def test_so_is_one_that_takes_for_ever() -> None:
    clock = HandClock()

    def slow(number: int, query: Query) -> Mapping[str, Any]:
        clock.turn(19.0)
        return endless(number, query)

    server = Server(slow)
    with pytest.raises(Temporary, match="was not read within"):
        listed(server.api, clock, ASK)
    assert len(server.asked) < pages.PAGES


def expiring(times: int) -> Callable[[int, Query], Mapping[str, Any]]:
    """The place of the first `times` lists expires before their second page."""
    left: Iterator[None] = iter([None] * times)

    def answer(number: int, query: Query) -> Mapping[str, Any]:
        if "continue" not in query or not query["continue"]:
            return page(number, "token")
        for _ in left:
            raise Gone("the provided continue parameter is too old")
        return page(number)

    return answer


def test_a_place_that_expired_begins_the_list_again() -> None:
    server = Server(expiring(1))
    found, _ = listed(server.api, HandClock(), ASK)
    assert names(found) == ["pod-3", "pod-4"], "nothing of the list that expired"
    assert "continue" not in server.asked[2]


def test_and_not_for_ever() -> None:
    with pytest.raises(Temporary, match="expires while it is read"):
        listed(Server(expiring(99)).api, HandClock(), ASK)


def test_the_watch_and_the_sweep_read_their_lists_so() -> None:
    server = Server(endless)
    with pytest.raises(Temporary, match="more than 100 pages"):
        PodWatch(server.api, lambda: PLACE, HandClock()).step()
    with pytest.raises(Temporary, match="more than 100 pages"):
        Leftovers(server.api, HandClock()).sweep(PLACE, ())
    assert len(server.asked) == 2 * pages.PAGES
    assert set(server.accepts[pages.PAGES :]) == {METADATA}
