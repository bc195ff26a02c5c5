"""What an attempt left in the cluster that nobody will ask us to forget."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence

from bot.executors.kubernetes.api import METADATA, Api, Conflict, pods_path, secrets_path
from bot.executors.kubernetes.manifest import owner_patch
from bot.executors.kubernetes.names import attempt_name, selector
from bot.executors.kubernetes.pages import Ask, listed
from bot.executors.kubernetes.podstatus import read_pod
from bot.executors.kubernetes.reading import mapping, seconds_of, text_of
from bot.executors.kubernetes.watch import Place
from bot.ports import Clock, NotFound

LOG = logging.getLogger("pushwright.kubernetes")
Json = Mapping[str, object]

_YOUNG = 900.0
"""Seconds in which a Secret may still wait for its pod."""
_ORPHAN = 7 * 86400.0
"""Seconds after which an ended pod goes that nobody asked us to forget: its row is gone."""


class Leftovers:
    """Swept by label, so that nothing has to be remembered."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def sweep(self, place: Place, pods: Sequence[Json]) -> None:
        """Raises Temporary, Forbidden."""
        for secret in self._secrets(place):
            self._secret(place, secret)
        for pod in pods:
            if attempt_name(pod) is not None and self._over(pod):
                name, uid = _name(pod), text_of(mapping(pod.get("metadata")).get("uid"))
                LOG.info("removing the pod %s: it ended a week ago", name)
                with contextlib.suppress(NotFound, Conflict):
                    self._api.delete(pods_path(place.namespace, name), uid)

    def _secrets(self, place: Place) -> Sequence[Json]:
        """Metadata alone."""
        ask = Ask(secrets_path(place.namespace), selector(place.instance), METADATA)
        return listed(self._api, self._clock, ask)[0]

    def _secret(self, place: Place, secret: Json) -> None:
        about, name = mapping(secret.get("metadata")), _name(secret)
        if about.get("ownerReferences") or attempt_name(secret) is None or self._young(about):
            return
        try:
            pod = self._api.get(pods_path(place.namespace, name))
        except NotFound:
            LOG.info("removing the Secret %s: it has no pod", name)
            with contextlib.suppress(NotFound, Conflict):
                self._api.delete(secrets_path(place.namespace, name), text_of(about.get("uid")))
            return
        with contextlib.suppress(NotFound):
            self._api.patch(secrets_path(place.namespace, name), owner_patch(pod))

    def _young(self, about: Json) -> bool:
        made = seconds_of(about.get("creationTimestamp"))
        return made is None or self._now() - made < _YOUNG

    def _over(self, pod: Json) -> bool:
        seen = read_pod(pod)
        if not seen.finished and seen.builder.ended is None:
            return False
        changes = [one.since for one in seen.conditions.values() if one.since is not None]
        made = seconds_of(mapping(pod.get("metadata")).get("creationTimestamp"))
        last = max([*changes, *([] if made is None else [made])], default=None)
        return last is not None and self._now() - last > _ORPHAN

    def _now(self) -> float:
        return self._clock.now() + self._api.ahead


def _name(found: Json) -> str:
    return text_of(mapping(found.get("metadata")).get("name"))
