"""Lists of the API server's, page by page, within bounds.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.executors.kubernetes.api import Api, Gone
from bot.executors.kubernetes.reading import mapping, mappings, text_of
from bot.ports import Clock, Temporary

Json = Mapping[str, object]

PAGE = 500
PAGES = 100
"""Of one list; whoever has more objects of ours has another trouble."""
SECONDS = 120.0
"""For all pages of one list."""


@dataclass(frozen=True, slots=True)
class Ask:
    """`accept`: another form of the answer, such as metadata alone."""

    path: str
    selector: str
    accept: str = ""


def listed(
    api: Api, clock: Clock, ask: Ask, keep: Callable[[Json], Json] = dict
) -> tuple[list[Json], str]:
    """All objects, each as `keep` leaves it, and the version of the list. Raises Forbidden, and
    Temporary also for a list that has no end. Of a list whose place expired (410) nothing is
    used: it is begun once more."""
    try:
        return _listed(api, clock, ask, keep)
    except Gone:
        pass
    try:
        return _listed(api, clock, ask, keep)
    except Gone as error:
        raise Temporary(f"the list {ask.path} expires while it is read: {error}") from error


def _listed(
    api: Api, clock: Clock, ask: Ask, keep: Callable[[Json], Json]
) -> tuple[list[Json], str]:
    found: list[Json] = []
    query = {"labelSelector": ask.selector, "limit": str(PAGE)}
    until = clock.monotonic() + SECONDS
    for _ in range(PAGES):
        page = api.get(ask.path, query, accept=ask.accept)
        found += [keep(one) for one in mappings(page.get("items"))]
        about = mapping(page.get("metadata"))
        query["continue"] = text_of(about.get("continue"))
        if not query["continue"]:
            return found, text_of(about.get("resourceVersion"))
        if clock.monotonic() > until:
            raise Temporary(f"the list {ask.path} was not read within {SECONDS:.0f} s")
    raise Temporary(f"the list {ask.path} has more than {PAGES} pages of {PAGE}")
