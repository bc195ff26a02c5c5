"""The pods of one namespace, kept current by one list and one watch.

It only remembers and wakes: that a pod has ended or is gone is asked again before it counts.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.executors.kubernetes.api import Api, Bounds, Gone, pods_path
from bot.executors.kubernetes.logs import whole_lines
from bot.executors.kubernetes.names import attempt_name, selector
from bot.executors.kubernetes.pages import Ask, listed
from bot.executors.kubernetes.reading import mapping, mappings, number_of, text_of
from bot.executors.kubernetes.refusals import lacking
from bot.ports import Clock, Forbidden, HostError, Temporary

LOG = logging.getLogger("pushwright.kubernetes")

_LINE = 4 << 20
_SHORT, _SHORT_ONES = 1.0, 3
"""Seconds of a watch that told nothing, and how many of such in a row are no accident: whoever
cuts every watch, or calls every version too old, would be asked without a pause."""

Pod = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds. `watch`: after which the server ends a watch, about; the next one goes on where it
    stopped. `silence`: without a byte, after which a watch is dead, for the server should have
    ended it. `fresh`: for which what was heard last may be believed. `watches`: between two lists,
    the slow look for what a watch may have missed."""

    watch: float = 45.0
    silence: float = 55.0
    fresh: float = 65.0
    watches: int = 10


USUAL = Rhythm()


@dataclass(frozen=True, slots=True)
class Place:
    """Whose pods, where."""

    namespace: str
    instance: str


class PodWatch:
    """`step` is one loop's; all else is thread-safe. `place` None: nothing to watch just now."""

    def __init__(
        self,
        api: Api,
        place: Callable[[], Place | None],
        clock: Clock,
        rhythm: Rhythm = USUAL,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """`wake` is called after `changed` got something to tell."""
        self._rhythm = rhythm
        self._wake = wake or _nobody
        self._api = api
        self._place = place
        self._clock = clock
        self._lock = threading.Lock()
        self._tried = threading.Event()
        self._pods: dict[str, Pod] = {}
        self._changed: set[str] = set()
        self._gone: dict[str, int] = {}
        self._where: Place | None = None
        self._heard_at: float | None = None
        self._version = ""
        self._watches = 0
        self._failures = 0
        self._short = 0
        self._told = False

    # -- what others ask -------------------------------------------------------------------------

    def tried(self, seconds: float) -> None:
        """Waits for the first list: a worker that begins asks once for all pods, not for each."""
        self._tried.wait(seconds)

    def pod(self, name: str) -> Pod | None:
        """The pod as it was told last; None where it is unknown, or what is known is too old."""
        with self._lock:
            return self._pods.get(name) if self._fresh() else None

    def pods(self) -> Sequence[Pod] | None:
        """All of them; None where that is not known."""
        with self._lock:
            return list(self._pods.values()) if self._fresh() else None

    def changed(self) -> set[str]:
        """Names of attempts whose pods changed since the last call."""
        with self._lock:
            found, self._changed = self._changed, set()
            return found

    def put(self, pod: Pod) -> None:
        """What an answer to somebody else's call says, until the watch tells more."""
        name = text_of(mapping(pod.get("metadata")).get("name"))
        with self._lock:
            known = self._pods.get(name)
            newest = self._gone.get(name, 0) if known is None else _version(known)
            if newest < _version(pod):
                self._pods[name] = _trimmed(pod)

    def drop(self, name: str) -> None:
        """It is known to be gone."""
        with self._lock:
            self._pods.pop(name, None)

    # -- the loop --------------------------------------------------------------------------------

    def step(self) -> bool:
        """One watch, with a list before it where one is needed. Raises Temporary, with a pause that
        grows while the cluster does not answer, or ends every watch as it begins."""
        place = self._place()
        if place is None:
            self._tried.set()
            return False
        began, self._told = self._clock.monotonic(), False
        try:
            if place != self._where or not self._version or self._watches >= self._rhythm.watches:
                self._list(place)
            self._tried.set()
            self._follow(place)
        except Gone:
            self._version = ""
        except HostError as error:
            raise self._failed(place, error) from error
        short = not self._told and self._clock.monotonic() - began < _SHORT
        self._short = self._short + 1 if short else 0
        self._failures = max(0, self._short - _SHORT_ONES)
        if self._short < _SHORT_ONES:
            return True
        raise self._failed(place, Temporary("the API server ends each watch at once"))

    def _failed(self, place: Place, error: HostError) -> Temporary:
        """What is known may be old from now on."""
        self._version = ""
        self._tried.set()
        with self._lock:
            self._heard_at = None
        self._failures += 1
        after = random.uniform(0.5, 1.0) * min(30.0, 2.0 ** min(self._failures, 5))  # noqa: S311
        told = lacking(str(error)) if isinstance(error, Forbidden) else str(error)
        return Temporary(f"pods in {place.namespace} can't be watched: {told}", after)

    def listed(self, place: Place) -> Sequence[Pod]:
        """Asked of the server. Raises Forbidden, Temporary."""
        return list(self._listing(place)[0].values())

    def _list(self, place: Place) -> None:
        found, version = self._listing(place)
        with self._lock:
            before, self._pods = self._pods, found
            for one in [pod for name, pod in before.items() if name not in found]:
                self._note(one)
            for one in [pod for name, pod in found.items() if before.get(name) != pod]:
                self._note(one)
            self._gone = {}
            self._heard_at = self._clock.monotonic()
        self._where, self._version = place, version
        self._watches = 0
        self._wake()

    def _listing(self, place: Place) -> tuple[dict[str, Pod], str]:
        ask = Ask(pods_path(place.namespace), selector(place.instance))
        found, version = listed(self._api, self._clock, ask, _trimmed)
        return {text_of(mapping(pod.get("metadata")).get("name")): pod for pod in found}, version

    def _follow(self, place: Place) -> None:
        query = {
            "labelSelector": selector(place.instance),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, int(self._rhythm.watch * random.uniform(0.8, 1.0)))),  # noqa: S311
        }
        # The server ends it; one that never does, and still sends something, is left all the same.
        bounds = Bounds(self._rhythm.silence, 2 * self._rhythm.fresh)
        with self._api.stream(pods_path(place.namespace), query, bounds) as pieces:
            self._heard()
            for line in whole_lines(self._counted(pieces), _LINE):
                self._take(line)
        self._watches += 1

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._heard()
            yield piece

    def _heard(self) -> None:
        with self._lock:
            self._heard_at = self._clock.monotonic()

    def _take(self, line: bytes) -> None:
        """One event. Raises Gone, Temporary: after either the pods are listed again."""
        try:
            event = mapping(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise Temporary("an event can't be read") from error
        kind, found = text_of(event.get("type")), mapping(event.get("object"))
        about = mapping(found.get("metadata"))
        name, version = text_of(about.get("name")), text_of(about.get("resourceVersion"))
        match kind:
            case "ERROR":
                if number_of(found.get("code")) == 410:
                    raise Gone("the watch is too old")
                raise Temporary(text_of(found.get("message")) or "the watch ended with an error")
            case "ADDED" | "MODIFIED":
                with self._lock:
                    self._pods[name] = _trimmed(found)
                    self._note(found)
            case "DELETED":
                with self._lock:
                    self._pods.pop(name, None)
                    self._gone[name] = _version(found)
                    self._note(found)
            case "BOOKMARK":
                pass
            case _:
                raise Temporary("an event of no known kind")
        self._told = True
        self._version = version or self._version
        if kind != "BOOKMARK":
            self._wake()

    def _note(self, pod: Pod) -> None:
        attempt = attempt_name(pod)
        if attempt is not None:
            self._changed.add(attempt)

    def _fresh(self) -> bool:
        heard = self._heard_at
        return heard is not None and self._clock.monotonic() - heard < self._rhythm.fresh


def _nobody() -> None:
    """Nobody has to be woken."""


def _version(pod: Pod) -> int:
    """Opaque to clients by the letter, and a number of etcd's in every API server; only used to not
    put an older answer over a newer one, which the watch would mend."""
    text = text_of(mapping(pod.get("metadata")).get("resourceVersion"))
    return int(text) if text.isdigit() and len(text) < 20 else 0


def _trimmed(pod: Pod) -> Pod:
    """Without what nobody asks and what makes it large."""
    about = {k: v for k, v in mapping(pod.get("metadata")).items() if k != "managedFields"}
    spec = mapping(pod.get("spec"))
    kept: dict[str, object] = {"nodeName": spec.get("nodeName")}
    for key in ("initContainers", "containers"):
        kept[key] = [
            {"name": one.get("name"), "resources": one.get("resources")}
            for one in mappings(spec.get(key))
        ]
    return {"metadata": about, "spec": kept, "status": pod.get("status")}
