"""Which pod an attempt's is, by its uid: a name can be used again by somebody else, a uid can't.

It is known from the start of the attempt. After a restart the attempt's Secret tells it: its owner
is the pod that was started, and the cluster removes it with that pod.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.names import object_name
from bot.executors.kubernetes.reading import mapping, text_of
from bot.executors.kubernetes.starting import owner_of, secret_about, uid_of

Json = Mapping[str, object]

_MOST = 10_000
"""Attempts that are remembered; being without one costs a call."""


class RecordedPods:
    """Safe to lose."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._uids: dict[str, str] = {}

    def record(self, name: str, pod: Json) -> None:
        while len(self._uids) >= _MOST:
            self._uids.pop(next(iter(self._uids)))
        self._uids[name] = uid_of(pod)

    def forget(self, name: str) -> None:
        self._uids.pop(name, None)

    def another(self, name: str, pod: Json) -> bool:
        """Whether it is known that this is not the attempt's pod; asks nobody."""
        known = self._uids.get(name)
        return known is not None and known != uid_of(pod)

    def confirmed(self, name: str, pod: Json) -> bool:
        """Whether it is the attempt's pod; where that is not known its Secret is asked, once.
        Raises Temporary, Forbidden. Without an owner yet, the start broke off after the pod was
        made: then its annotations count. Without a Secret its pod is gone."""
        if name not in self._uids:
            namespace = text_of(mapping(pod.get("metadata")).get("namespace"))
            secret = secret_about(self._api, namespace, object_name(name))
            if secret is None:
                return False
            owner = owner_of(secret)
            if owner and owner != uid_of(pod):
                return False
            self.record(name, pod)
        return not self.another(name, pod)
