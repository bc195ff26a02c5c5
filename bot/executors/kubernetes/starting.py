"""A pod and its Secret, made once however often it is asked for: the Secret, the pod, then the
owner, so that the Secret goes with the pod. Three calls where nothing stands in the way."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bot.executors.kubernetes.api import METADATA, Api, Conflict, NotNow, pods_path, secrets_path
from bot.executors.kubernetes.manifest import DOCKERD, owner_patch
from bot.executors.kubernetes.names import foreign
from bot.executors.kubernetes.reading import mapping, mappings, text_of
from bot.ports import AdmissionDenied, HostError, NotFound, Permanent, Temporary

LOG = logging.getLogger("pushwright.kubernetes")
Json = Mapping[str, object]

_STRICT = {"fieldValidation": "Strict"}
"""What the cluster does not know in an administrator's override is refused, not dropped."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Both objects have one name and one namespace."""

    pod: Json
    secret: Json

    @property
    def name(self) -> str:
        return text_of(mapping(self.pod.get("metadata")).get("name"))

    @property
    def namespace(self) -> str:
        return text_of(mapping(self.pod.get("metadata")).get("namespace"))


def start(api: Api, wanted: Wanted) -> Json:
    """The pod, ours, new or found. Raises Temporary with the reason of waiting, AdmissionDenied,
    and Permanent where the name is somebody else's."""
    try:
        secret: Json | None = api.create(secrets_path(wanted.namespace), wanted.secret)
    except Conflict:
        there = _pod(api, wanted)
        if there is not None:
            return _adopted(api, wanted, there)
        secret = _replace_secret(api, wanted)
    try:
        pod = api.create(pods_path(wanted.namespace), wanted.pod, _STRICT)
    except Conflict as error:
        there = _pod(api, wanted)
        if there is None:
            raise Temporary(f"the pod {wanted.name} comes and goes", 1.0) from error
        return _adopted(api, wanted, there)
    except (NotNow, Permanent):
        _remove(api, secrets_path(wanted.namespace, wanted.name), secret)
        raise
    try:
        _must_be_whole(pod)
    except AdmissionDenied:
        _remove(api, pods_path(wanted.namespace, wanted.name), pod)
        _remove(api, secrets_path(wanted.namespace, wanted.name), secret)
        raise
    _own(api, wanted, pod)
    return pod


def _pod(api: Api, wanted: Wanted) -> Json | None:
    try:
        return api.get(pods_path(wanted.namespace, wanted.name))
    except NotFound:
        return None


def _adopted(api: Api, wanted: Wanted, pod: Json) -> Json:
    why = foreign(pod, wanted.pod)
    secret = None if why else secret_about(api, wanted.namespace, wanted.name)
    if secret is not None and owner_of(secret) not in ("", uid_of(pod)):
        why = "its uid is another than that of the pod that was started"
    if why is not None:
        raise Permanent(
            f"a pod {wanted.name} is in {wanted.namespace} already and is not this attempt's: "
            f"{why}; remove it and build again"
        )
    if secret is not None and not mapping(secret.get("metadata")).get("ownerReferences"):
        _own(api, wanted, pod)
    return pod


def owner_of(secret: Json) -> str:
    """The uid of the pod that a Secret goes with; "" while it has none."""
    owners = mappings(mapping(secret.get("metadata")).get("ownerReferences"))
    return next((text_of(one.get("uid")) for one in owners if one.get("kind") == "Pod"), "")


def uid_of(found: Json) -> str:
    return text_of(mapping(found.get("metadata")).get("uid"))


def secret_about(api: Api, namespace: str, name: str) -> Json | None:
    """Its metadata alone: what is in it stays in the cluster."""
    query = {"fieldSelector": f"metadata.name={name}"}
    found = api.get(secrets_path(namespace), query, accept=METADATA)
    return next(iter(mappings(found.get("items"))), None)


def _replace_secret(api: Api, wanted: Wanted) -> Json | None:
    """One of a start that did not come to its pod: its clone token may have run out since. None
    where another worker was faster: then it is that worker's, and its values are as new."""
    there = secret_about(api, wanted.namespace, wanted.name)
    if there is not None:
        why = foreign(there, wanted.secret)
        if why is not None:
            raise Permanent(
                f"a Secret {wanted.name} is in {wanted.namespace} already and is not this "
                f"attempt's: {why}; remove it and build again"
            )
        with contextlib.suppress(NotFound, Conflict):
            uid = text_of(mapping(there.get("metadata")).get("uid"))
            api.delete(secrets_path(wanted.namespace, wanted.name), uid)
    try:
        return api.create(secrets_path(wanted.namespace), wanted.secret)
    except Conflict:
        return None


def _must_be_whole(pod: Json) -> None:
    """A cluster, or a webhook, that knows no native sidecars drops the field and takes the rest:
    then dockerd would be waited for until it ended."""
    sidecars = mappings(mapping(pod.get("spec")).get("initContainers"))
    policies = [one.get("restartPolicy") for one in sidecars if one.get("name") == DOCKERD]
    if policies == ["Always"]:
        return
    raise AdmissionDenied(
        "the cluster dropped restartPolicy of the sidecar dind: it is older than Kubernetes 1.29, "
        "or a mutating webhook does not know the field"
    )


def _remove(api: Api, path: str, made: Json | None) -> None:
    """What this call made, and not what somebody else put under its name since."""
    uid = text_of(mapping((made or {}).get("metadata")).get("uid"))
    if uid:
        with contextlib.suppress(HostError):
            api.delete(path, uid)


def _own(api: Api, wanted: Wanted, pod: Json) -> None:
    """The pod runs with or without it; housekeeping makes up for one that failed."""
    try:
        api.patch(secrets_path(wanted.namespace, wanted.name), owner_patch(pod))
    except HostError as error:
        LOG.warning("the Secret %s has no owner yet: %s", wanted.name, error)
