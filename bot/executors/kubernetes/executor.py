"""Attempts as pods: started once, watched, read by their status, removed when all is stored.

The pod's name is the lock and the pod the truth; what is remembered here only saves calls, and may
be lost at any time. docs/kubernetes-executor.md counts the calls.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.core.builds import LogLine, NotThere, Observation, Pending, Running
from bot.core.podsettings import Kubernetes, PodMistake, refusal
from bot.executors.kubernetes.api import Api, Bounds, Conflict, events_path, pods_path
from bot.executors.kubernetes.hints import Hints
from bot.executors.kubernetes.inputs import Credentials
from bot.executors.kubernetes.leftovers import Leftovers
from bot.executors.kubernetes.logs import PodLogs
from bot.executors.kubernetes.manifest import BUILDER, build_pod, build_secret
from bot.executors.kubernetes.names import attempt_name, identity_of, object_name, read_identity
from bot.executors.kubernetes.observe import observe
from bot.executors.kubernetes.podstatus import read_pod
from bot.executors.kubernetes.reading import mapping, mappings, text_of
from bot.executors.kubernetes.recorded import RecordedPods
from bot.executors.kubernetes.refusals import lacking
from bot.executors.kubernetes.starting import Wanted, start
from bot.executors.kubernetes.watch import USUAL, Place, PodWatch, Rhythm
from bot.ports import AttemptSpec, Clock, Forbidden, HostError, NotFound, Permanent, Temporary

LOG = logging.getLogger("pushwright.kubernetes")
Pod = Mapping[str, object]

_FIRST_LIST = 20.0
"""Seconds that a look waits for the first list of pods."""
_LOG_READ = Bounds(10.0, 30.0)
"""A result waits for its log, but not for a node that is gone."""
_LOG_PAUSE = 60.0
"""Seconds in which a node that said nothing for so long is not asked for that log again. What is
refused at once, or broken off, is: a kubelet or an API server that restarts is back soon."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the executor needs of the config, asked for each attempt, so that changes count at once.

    `auths`: registry hosts and trust to a Docker config document with plain credentials.
    `secret_file`: a secret's name to its file, None for one that has none.
    """

    kubernetes: Callable[[], Kubernetes]
    auths: Callable[[Sequence[str], bool], Mapping[str, object]]
    secret_file: Callable[[str], str | None]


class KubernetesExecutor:
    """Satisfies `bot.ports.Executor`. `watches` are loops of its worker, and `wake` is called when
    they heard of something; without them (None) every look is a call."""

    def __init__(
        self,
        surroundings: Surroundings,
        api: Api,
        clock: Clock,
        rhythm: Rhythm = USUAL,
        *,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._watched = wake is not None
        self._around = surroundings
        self._api = api
        self._clock = clock
        self.watches = (
            PodWatch(api, self._trusted_place, clock, rhythm, wake),
            PodWatch(api, self._untrusted_place, clock, rhythm, wake),
        )
        self._logs = PodLogs(clock)
        self._hints = Hints()
        self._recorded = RecordedPods(api)
        self._leftovers = Leftovers(api, clock)
        self._log_pause: dict[str, float] = {}

    @property
    def look_seconds(self) -> float:
        """The watch tells of changes; this is for what it missed."""
        return 20.0

    def refuses(self, *, trusted: bool) -> str | None:
        return refusal(self._around.kubernetes().pods, trusted=trusted)

    # -- starting ----------------------------------------------------------------------------

    def start(self, spec: AttemptSpec) -> None:
        settings = self._around.kubernetes()
        identity = identity_of(spec, settings.instance)
        try:
            secret = build_secret(spec, settings.pods, identity, self._credentials(spec))
            wanted = Wanted(build_pod(spec, settings.pods, identity), secret)
        except PodMistake as error:
            raise Permanent(str(error)) from error
        with _allowed():
            pod = start(self._api, wanted)
        self._recorded.record(spec.name, pod)
        self._watch_of(wanted.namespace).put(pod)

    def _credentials(self, spec: AttemptSpec) -> Credentials:
        outside = self._around.kubernetes().pods.secrets
        files = {
            secret_id: self._around.secret_file(name)
            for secret_id, name in spec.secrets
            if name not in outside
        }
        return Credentials(
            auths=self._around.auths(spec.registries, spec.trusted),
            secrets={key: _text(path) for key, path in files.items() if path is not None},
            source_ca=_source_ca(spec),
        )

    # -- looking -----------------------------------------------------------------------------

    def observe(self, name: str) -> Observation:
        """An end is never said from memory, and never of another pod than the attempt's own."""
        known = self._known(name)
        if known is not None and not self._recorded.another(name, known):
            seen = self._read(known, name)
            if isinstance(seen, Pending | Running):
                return seen
        pod = self._fetch(name)
        if pod is None or self._recorded.another(name, pod):
            return NotThere()
        seen = self._read(pod, name)
        if not isinstance(seen, Pending | Running):
            with _allowed():
                if not self._recorded.confirmed(name, pod):
                    return NotThere()
        return seen

    def _read(self, pod: Pod, name: str) -> Observation:
        """By the server's clock, told by ours: a deadline is not the other clock's to move."""
        ahead = self._api.ahead
        now = self._clock.now() + ahead
        events = self._hints.of(pod, name, now, self._events)
        seen = observe(pod, now, events)
        return replace(seen, started=seen.started - ahead) if isinstance(seen, Running) else seen

    def _events(self, pod: Pod) -> Sequence[Mapping[str, object]]:
        about = mapping(pod.get("metadata"))
        query = {"fieldSelector": f"involvedObject.uid={text_of(about.get('uid'))}", "limit": "50"}
        try:
            return mappings(
                self._api.get(events_path(text_of(about.get("namespace"))), query)["items"]
            )
        except (HostError, KeyError):
            return ()  # they only explain a wait

    def changed(self) -> Sequence[str]:
        return sorted(name for watch in self.watches for name in watch.changed())

    def running(self) -> Sequence[str]:
        return sorted(
            name
            for watch, place in zip(self.watches, self._places(), strict=False)
            for pod in self._all(watch, place)
            if (name := attempt_name(pod)) is not None
        )

    # -- ending ------------------------------------------------------------------------------

    def cancel(self, name: str) -> None:
        pod = self._known(name) or self._fetch(name)
        if pod is not None and mapping(pod.get("metadata")).get("deletionTimestamp") is None:
            self._delete(pod, name)

    def forget(self, name: str) -> None:
        """The Secret goes with its owner, the pod."""
        self.cancel(name)
        self._logs.forget(name)
        self._hints.forget(name)
        self._recorded.forget(name)
        self._log_pause.pop(name, None)

    def _delete(self, pod: Pod, name: str) -> None:
        about = mapping(pod.get("metadata"))
        namespace, uid = text_of(about.get("namespace")), text_of(about.get("uid"))
        with _allowed():
            try:
                self._api.delete(pods_path(namespace, object_name(name)), uid)
            except (NotFound, Conflict):
                self._watch_of(namespace).drop(object_name(name))

    def housekeeping(self) -> None:
        settings = self._around.kubernetes()
        with _allowed():
            for watch, place in zip(self.watches, self._places(), strict=False):
                self._leftovers.sweep(place, self._all(watch, place))
        LOG.debug("swept the build namespaces of %s", settings.instance)

    # -- logs --------------------------------------------------------------------------------

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        if self._clock.monotonic() < self._log_pause.get(name, 0.0):
            raise Temporary(f"the log of {name} could not be read a moment ago")
        pod = self._known(name) or self._fetch(name)
        if pod is None or self._recorded.another(name, pod):
            return ()
        namespace = text_of(mapping(pod.get("metadata")).get("namespace"))
        path = f"{pods_path(namespace, object_name(name))}/log"

        @contextlib.contextmanager
        def reading(seconds: int | None) -> Iterator[Iterator[bytes]]:
            query = {"container": BUILDER}
            if seconds is not None:
                query["sinceSeconds"] = str(seconds)
            with self._api.stream(path, query, _LOG_READ) as pieces:
                yield pieces

        began = self._clock.monotonic()
        try:
            ended = read_pod(pod).builder.ended is not None
            return self._logs.read(name, after, limit, reading, ended=ended)
        except NotFound:
            return ()
        except Temporary:
            now = self._clock.monotonic()
            if now - began >= _LOG_READ.silence - 1.0:
                self._log_pause[name] = now + _LOG_PAUSE
            raise
        except Permanent as error:
            if isinstance(error, Forbidden):
                raise Temporary(lacking(str(error))) from error
            return ()  # the container has not started, so there is nothing to read

    # -- pods --------------------------------------------------------------------------------

    def _known(self, name: str) -> Pod | None:
        """From the watch, if it is ours."""
        for watch in self.watches:
            if self._watched:
                watch.tried(_FIRST_LIST)
            pod = watch.pod(object_name(name))
            if pod is not None and self._ours(pod, name):
                return pod
        return None

    def _fetch(self, name: str) -> Pod | None:
        """From the API server. Another's pod of that name is not there for us."""
        for place in self._places():
            with _allowed():
                try:
                    pod = self._api.get(pods_path(place.namespace, object_name(name)))
                except NotFound:
                    self._watch_of(place.namespace).drop(object_name(name))
                    continue
            if self._ours(pod, name):
                self._watch_of(place.namespace).put(pod)
                return pod
        return None

    def _ours(self, pod: Pod, name: str) -> bool:
        identity = read_identity(pod)
        instance = self._around.kubernetes().instance
        return identity is not None and identity.instance == instance and attempt_name(pod) == name

    def _all(self, watch: PodWatch, place: Place) -> Sequence[Pod]:
        known = watch.pods()
        if known is not None:
            return known
        with _allowed():
            return watch.listed(place)

    def _watch_of(self, namespace: str) -> PodWatch:
        trusted, untrusted = self.watches
        return trusted if namespace == self._around.kubernetes().pods.namespace else untrusted

    def _places(self) -> Sequence[Place]:
        places = (self._trusted_place(), self._untrusted_place())
        return [place for place in places if place is not None]

    def _trusted_place(self) -> Place | None:
        settings = self._around.kubernetes()
        return Place(settings.pods.namespace, settings.instance)

    def _untrusted_place(self) -> Place | None:
        settings = self._around.kubernetes()
        untrusted = settings.pods.untrusted
        if untrusted is None or untrusted.namespace == settings.pods.namespace:
            return None
        return Place(untrusted.namespace, settings.instance)


@contextlib.contextmanager
def _allowed() -> Iterator[None]:
    """A permission that is lacking is the platform's to mend: builds wait for it."""
    try:
        yield
    except Forbidden as error:
        raise Temporary(lacking(str(error)), 10.0) from error


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Temporary(f"the secret's file {path} can't be read: {error}") from error


def _source_ca(spec: AttemptSpec) -> str | None:
    path = mapping(spec.recipe.get("source")).get("ca_file")
    return _text(path) if isinstance(path, str) and path else None
