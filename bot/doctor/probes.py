"""What only a pod can tell: which addresses builds reach, and whether their cache hits.

Probe pods carry a build pod's labels, so that the same network policies and quotas hold for them.
They are removed when they ended, or when their time is over.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from bot.core.daemons import flaws
from bot.core.findings import About, Finding
from bot.core.podsettings import Kubernetes
from bot.doctor.samples import Trial, sample
from bot.executors.kubernetes.api import Api, pods_path, secrets_path
from bot.executors.kubernetes.manifest import CA_VOLUME, DOCKERD
from bot.executors.kubernetes.podstatus import Pod, read_pod
from bot.executors.kubernetes.reading import line_of, mapping, mappings, text_of
from bot.executors.kubernetes.starting import Wanted
from bot.ports import HostError, Permanent, Temporary

Json = Mapping[str, object]

_LOOK = 0.5
PROBE_SECONDS, BUILD_SECONDS = 120.0, 420.0
"""For one pod, the pulling of its images included."""

METADATA = "169.254.169.254"
_SCRIPT = """\
import json, os, socket, ssl, sys
asked = json.loads(sys.argv[1])
host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
if host and port:
    asked["API server"] = [host, int(port), False]
told = {}
for name, (host, port, tls) in asked.items():
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        told[name] = "no such name"
        continue
    with socket.socket(address[0], socket.SOCK_STREAM) as probe:
        probe.settimeout(4)
        try:
            probe.connect(address[4])
            told[name] = "open"
            if tls:
                context = ssl.create_default_context()
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as builders and docker do
                context.wrap_socket(probe, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            told[name] = f"not trusted: {error.verify_message}"
        except ssl.SSLError:
            told[name] = "no TLS"
        except ConnectionRefusedError:
            told[name] = "refused"
        except OSError:
            told[name] = "closed"
with open("/dev/termination-log", "w") as file:
    json.dump(told, file)
"""


class Reach(NamedTuple):
    """`tls`: that its certificate has to be one that builds trust."""

    host: str
    port: int
    tls: bool


Hosts = Mapping[str, Reach]
"""What builds have to reach, by its name for people."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the builder's container left as its message; `pod` as it was then."""

    message: str
    pod: Json


def network(api: Api, kubernetes: Kubernetes, hosts: Hosts, *, trusted: bool) -> Iterator[Finding]:
    wanted = network_pod(kubernetes, hosts, trusted=trusted)
    about = About("cluster", f"network of {wanted.namespace}")
    try:
        ended = run_pod(api, wanted, PROBE_SECONDS)
        told = json.loads(ended.message)
    except HostError as error:
        yield about.fail(f"the probe pod told nothing: {error}", "see docs/doctor.md, Probes")
        return
    except ValueError:
        yield about.fail("the probe pod ended without an answer", "see docs/doctor.md, Probes")
        return
    yield from network_findings(about, told, list(hosts))


def network_pod(kubernetes: Kubernetes, hosts: Hosts, *, trusted: bool) -> Wanted:
    """A build pod without dockerd: nothing privileged, no Secret. It trusts what builds trust."""
    wanted = sample(kubernetes, trusted=trusted)
    pod: Any = copy.deepcopy(dict(wanted.pod))
    spec = pod["spec"]
    spec["initContainers"] = []
    spec["volumes"] = [one for one in spec["volumes"] if one["name"] == CA_VOLUME]
    spec["activeDeadlineSeconds"] = int(PROBE_SECONDS)
    [builder] = spec["containers"]
    asked = {"metadata service": Reach(METADATA, 80, False), **hosts}
    builder["command"] = ["python", "-I", "-c", _SCRIPT, json.dumps(asked).replace("$", "$$")]
    builder["volumeMounts"] = [m for m in builder["volumeMounts"] if m["name"] == CA_VOLUME]
    return Wanted(pod, {})


def network_findings(about: About, told: object, needed: list[str]) -> Iterator[Finding]:
    """`told`: by name open, refused, closed, no such name, no TLS, or not trusted and why."""
    answers = {name: text_of(value) for name, value in mapping(told).items()}
    for name in ("metadata service", "API server"):
        found = answers.get(name)
        if found == "open":
            text = f"a build reaches the {name}"
            yield about.warn(
                text, "your network does not enforce the chart's policies: docs/secure.md"
            )
        elif found is not None:
            yield about.ok(f"the {name} is closed to builds")
    for name in needed:
        found = answers.get(name, "untold")
        if found == "no such name":
            text = f"builds can't resolve {name}"
            yield about.fail(
                text, "allow DNS: networkPolicy.dns of the chart, docs/chart-values.md"
            )
        elif found == "open":
            yield about.ok(f"{name} can be reached")
        elif found.startswith("not trusted"):
            why = line_of(found.partition(": ")[2], 200)
            text = f"builds don't trust the certificate of {name}: {why}"
            yield about.fail(text, "put its CA into kubernetes.ca-config-map, docs/registries.md")
        elif found == "no TLS":
            text = f"{name} answers builds without TLS"
            yield about.fail(text, "plain HTTP? then insecure: true, docs/registries.md")
        else:
            remedy = "allow it: networkPolicy.allow of the chart; or mend the proxy"
            yield about.fail(f"builds don't reach {name} ({found})", remedy)


# -- chained builds ------------------------------------------------------------------------


def chained(api: Api, kubernetes: Kubernetes, trial: Trial) -> Iterator[Finding]:
    """Three builds of the same files, each in a pod with an empty daemon. As the bot does it, their
    caches are the image before and the last that was built without one; the second and the third
    have to hit. `trial.push` is a name with a tag, to which a number is added."""
    about = About("cluster", "chained builds")
    caches: tuple[str, ...] = ()
    name = trial.push.rpartition(":")[0]
    for number in (1, 2, 3):
        step = Trial(f"{trial.push}-{number}", caches, trial.insecure, trial.auths)
        try:
            result, ended = _build(api, kubernetes, step)
        except HostError as error:
            yield about.fail(f"build {number} of 3: {error}", "see docs/doctor.md, Probes")
            return
        if result.get("class") != "succeeded":
            said = line_of(result.get("message"))
            yield about.fail(f"build {number} of 3 failed: {said}", "see docs/statuses.md")
            return
        if number == 1:
            yield from images(result, ended.pod)
        elif (finding := missed(about, number, result)) is not None:
            yield finding
            return
        built = f"{name}@{text_of(result.get('digest'))}"
        caches = tuple(dict.fromkeys((built, *caches[-1:])))
    yield about.ok("three builds in a row: the second and third took every step from the cache")


def missed(about: About, number: int, result: Json) -> Finding | None:
    """None where every step hit, or where the client does not tell."""
    cache = mapping(result.get("cache"))
    hits, steps = cache.get("hits"), cache.get("steps")
    if hits is None:
        return about.unknown(f"build {number}: this client does not tell hits of every step")
    if hits == steps:
        return None
    text = f"build {number} of 3 hit {hits} of {steps} steps, with dockerd {result.get('daemon')}"
    return about.fail(text, "pin a dockerd image with Docker 29: kubernetes.dockerd-image")


def images(result: Json, pod: Json) -> Iterator[Finding]:
    """Versions, and the digest by which dockerd's image can be pinned."""
    status = mapping(pod.get("status"))
    ids = {
        text_of(one.get("name")): text_of(one.get("imageID"))
        for key in ("initContainerStatuses", "containerStatuses")
        for one in mappings(status.get(key))
    }
    daemon, client = line_of(result.get("daemon"), 60), line_of(result.get("client"), 60)
    digest = ids.get(DOCKERD, "").rpartition("://")[2]
    about = About("cluster", "dockerd")
    yield about.ok(f"dockerd {daemon}, client {client}; to pin it: {digest or 'not told'}")
    for flaw in flaws(daemon):
        if not flaw.lived_with:
            yield about.warn(f"dockerd {daemon}: {flaw.what} ({flaw.source})", flaw.todo)


def _build(api: Api, kubernetes: Kubernetes, trial: Trial) -> tuple[Json, Ended]:
    wanted = sample(kubernetes, trusted=True, trial=trial)
    pod: Any = copy.deepcopy(dict(wanted.pod))
    [builder] = pod["spec"]["containers"]
    builder["command"] = [
        "bot.builder.trial" if word == "bot.builder" else word for word in builder["command"]
    ]
    ended = run_pod(api, Wanted(pod, wanted.secret), BUILD_SECONDS)
    try:
        result = json.loads(ended.message)
    except ValueError as error:
        raise Permanent("its builder ended without a result") from error
    return mapping(result), ended


# -- a pod from its beginning to its end ---------------------------------------------------


def run_pod(api: Api, wanted: Wanted, seconds: float) -> Ended:
    """Makes it, waits for the end of its builder, and removes it. Raises what `bot.ports` names;
    Temporary, with what it waits for, where it takes longer than `seconds`."""
    path = pods_path(wanted.namespace, wanted.name)
    try:
        if wanted.secret:
            api.create(secrets_path(wanted.namespace), wanted.secret)
        api.create(pods_path(wanted.namespace), wanted.pod)
        return _waited(api, path, seconds)
    finally:
        with suppress(HostError):
            api.delete(path)  # nothing else has this name, which is random
        with suppress(HostError):
            if wanted.secret:
                api.delete(secrets_path(wanted.namespace, wanted.name))


def _waited(api: Api, path: str, seconds: float) -> Ended:
    end = time.monotonic() + seconds
    while True:
        raw = api.get(path)
        pod = read_pod(raw)
        if pod.builder.ended is not None:
            return Ended(pod.builder.ended.message, raw)
        if pod.finished:
            raise Permanent(f"the pod ended: {pod.reason or pod.phase} {pod.message}")
        if time.monotonic() >= end:
            raise Temporary(f"not ended after {seconds:g} s: {_waits_for(pod)}")
        time.sleep(_LOOK)


def _waits_for(pod: Pod) -> str:
    for container in (pod.builder, pod.dockerd, *pod.others):
        if container.waiting:
            return f"{container.name}: {container.waiting} {container.waiting_message}".strip()
    for condition in pod.conditions.values():
        if condition.status == "False" and condition.message:
            return condition.message
    return f"phase {pod.phase or 'unknown'}"
