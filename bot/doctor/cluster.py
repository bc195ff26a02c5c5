"""The cluster of the kubernetes executor, asked with the worker's own account.

Whatever this account may not read is said to be unknown: the bot's Role gives it nothing of that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from bot.clock import SystemClock
from bot.core.findings import About, Finding
from bot.core.podsettings import Kubernetes, PodMistake, refusal
from bot.doctor import clusterfindings, probes
from bot.doctor.checks import Check
from bot.doctor.clusterfindings import Hidden
from bot.doctor.samples import Trial, sample
from bot.executors.kubernetes.api import METADATA, PAUSE, Api, Silent, pods_path, secrets_path
from bot.executors.kubernetes.inputs import namespace
from bot.executors.kubernetes.pages import Ask, listed
from bot.executors.kubernetes.permissions import PERMISSIONS
from bot.executors.kubernetes.reading import mapping, mappings
from bot.ports import Forbidden, HostError, NotFound

Json = Mapping[str, object]
T = TypeVar("T")
_DRY = {"dryRun": "All", "fieldValidation": "Strict"}
_NODES = Ask("/api/v1/nodes", "")
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Deep:
    """What probe pods are asked. `trial`: of the chained builds, None where there is no image name
    to push to."""

    hosts: probes.Hosts
    trial: Trial | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """`builds`: how many run at once, by the central config."""

    api: Api
    kubernetes: Kubernetes
    builds: int
    deep: Deep | None = None

    def checks(self) -> Iterator[Check]:
        yield Check(About("cluster", "version"), self._version)

    def _version(self) -> Iterator[Finding | Check]:
        try:
            yield clusterfindings.version(self.api.get("/version"))
        except Forbidden as error:  # no build needs it, and nothing else follows from that
            yield About("cluster", "version").unknown(str(error), clusterfindings.OTHERS)
        except HostError as error:
            remedy = "see kubernetes.kubeconfig, or the service account of the worker's pod"
            yield About("cluster", "version").fail(str(error), remedy)
            return
        yield Check(About("cluster", "account"), self._account)
        for trusted in self._kinds():
            yield from self._of_namespace(trusted=trusted)
        if (why := self._no_untrusted()) is not None:
            yield About("cluster", "untrusted builds").unknown(f"none run: {why}")

    def _kinds(self) -> list[bool]:
        pods = self.kubernetes.pods
        return [True] if refusal(pods, trusted=False) else [True, False]

    def _no_untrusted(self) -> str | None:
        pods = self.kubernetes.pods
        return refusal(pods, trusted=False) if pods.untrusted is not None else None

    def _of_namespace(self, *, trusted: bool) -> Iterator[Finding | Check]:
        name = namespace(self.kubernetes.pods, trusted=trusted)
        try:
            pod = sample(self.kubernetes, trusted=trusted).pod
        except PodMistake as mistake:
            about = About("cluster", f"build pod in {name}")
            yield about.fail(str(mistake), "mend `kubernetes` in the central config")
            return
        yield Check(About("cluster", f"namespace {name}"), lambda: self._namespace(name, pod))
        about = About("cluster", f"permissions in {name}")
        yield Check(about, lambda: self._permissions(name))
        yield Check(About("cluster", f"nodes for {name}"), lambda: self._nodes(name, pod))
        about = About("cluster", f"network policies of {name}")
        yield Check(about, lambda: self._policies(name))
        about = About("cluster", f"objects in {name}")
        yield Check(about, lambda: self._things(name, trusted=trusted))
        if self.deep is not None:
            yield from self._probes(name, self.deep, trusted=trusted)

    def _probes(self, name: str, deep: Deep, *, trusted: bool) -> Iterator[Check]:
        hosts, trial = deep.hosts, deep.trial
        yield Check(
            About("cluster", f"network of {name}"),
            lambda: probes.network(self.api, self.kubernetes, hosts, trusted=trusted),
            probes.PROBE_SECONDS + 30,
        )
        if trial is not None and trusted:
            yield Check(
                About("cluster", "chained builds"),
                lambda: probes.chained(self.api, self.kubernetes, trial),
                3 * (probes.BUILD_SECONDS + 15),
            )

    # -- one check each ----------------------------------------------------------------------

    def _account(self) -> Iterator[Finding]:
        allowed = self._may("kube-system", "secrets", "list")
        if (found := clusterfindings.more_than_needed(allowed=allowed is True)) is not None:
            yield found

    def _namespace(self, name: str, pod: Json) -> Iterator[Finding]:
        found = self._seen(f"/api/v1/namespaces/{name}")
        yield clusterfindings.namespace(name, found)
        if isinstance(found, Hidden) and found.missing:
            return
        yield clusterfindings.dry_run(name, self._dry_run(name, pod))
        quotas = self._seen(f"/api/v1/namespaces/{name}/resourcequotas")
        yield clusterfindings.quotas(name, quotas, pod, self.builds)

    def _seen(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = ""
    ) -> Json | Hidden:
        try:
            return _asked(lambda: self.api.get(path, query, accept=accept))
        except NotFound as error:
            return Hidden(str(error), missing=True)
        except HostError as error:
            return Hidden(str(error), forbidden=isinstance(error, Forbidden))

    def _dry_run(self, name: str, pod: Json) -> Json | Hidden:
        try:
            return _asked(lambda: self.api.create(pods_path(name), pod, _DRY))
        except HostError as error:
            return Hidden(str(error))

    def _permissions(self, name: str) -> Iterator[Finding]:
        refused, untold = [], []
        for permission in PERMISSIONS:
            for verb in permission.verbs:
                allowed = self._may(name, permission.resource, verb)
                if allowed is None:
                    untold.append(f"{verb} {permission.resource}")
                elif not allowed:
                    refused.append((permission.resource, verb))
        yield clusterfindings.permissions(name, refused, untold)

    def _may(self, name: str, resource: str, verb: str) -> bool | None:
        """By the API server's own word; None: it does not say."""
        kind, _, inner = resource.partition("/")
        attributes = {"namespace": name, "verb": verb, "group": "", "resource": kind}
        if inner:
            attributes["subresource"] = inner
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            found = _asked(lambda: self.api.create(_REVIEWS, body))
        except HostError:
            return None
        allowed = mapping(found.get("status")).get("allowed")
        return allowed if isinstance(allowed, bool) else None

    def _nodes(self, name: str, pod: Json) -> Iterator[Finding]:
        """All pages of them: those that take builds may be the last."""
        try:
            every, _ = _asked(lambda: listed(self.api, SystemClock(), _NODES, _trimmed))
        except HostError as error:
            hidden = Hidden(str(error), forbidden=isinstance(error, Forbidden))
            yield clusterfindings.nodes(name, hidden, pod)
            return
        yield clusterfindings.nodes(name, {"items": every}, pod)

    def _policies(self, name: str) -> Iterator[Finding]:
        path = f"/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies"
        yield clusterfindings.policies(name, self._seen(path))

    def _things(self, name: str, *, trusted: bool) -> Iterator[Finding]:
        pods = self.kubernetes.pods
        for secret in pods.image_pull_secrets:
            why = "images of build pods are pulled with it"
            yield clusterfindings.thing(name, f"Secret {secret}", self._secret(name, secret), why)
        for secret in sorted({one.secret for one in pods.secrets.values()}) if trusted else ():
            why = "build secrets are in it"
            yield clusterfindings.thing(name, f"Secret {secret}", self._secret(name, secret), why)
        if (wanted := pods.network.ca_config_map) is not None:
            seen = self._seen(f"/api/v1/namespaces/{name}/configmaps/{quote(wanted, safe='')}")
            there = seen if isinstance(seen, Hidden) else True
            why = "certificates that builds trust are in it"
            yield clusterfindings.thing(name, f"ConfigMap {wanted}", there, why)

    def _secret(self, name: str, wanted: str) -> bool | Hidden:
        """Listed, since the bot's Role lets it list and not get; its metadata alone."""
        query = {"fieldSelector": f"metadata.name={wanted}", "limit": "1"}
        found = self._seen(secrets_path(name), query, accept=METADATA)
        return found if isinstance(found, Hidden) else bool(mappings(found.get("items")))


def _trimmed(node: Json) -> Json:
    """Without the list of its images, which is most of a node."""
    status = {"allocatable": mapping(node.get("status")).get("allocatable")}
    return {"metadata": node.get("metadata"), "spec": node.get("spec"), "status": status}


def _asked(question: Callable[[], T]) -> T:
    """Once more where no answer came: checks share one way to the server, and the silence that one
    of them met for a moment is no finding of the others."""
    try:
        return question()
    except Silent:
        time.sleep(PAUSE)
        return question()
