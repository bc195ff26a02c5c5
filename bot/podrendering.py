"""`pushwright render-pod`: the pods that a plan's builds would be, without any network.

What only a running bot knows is left open: the build's id, digests of needed images that are not
built yet, caches, and every secret value.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.core.binding import allowed_patterns, rule_for
from bot.core.centralconfig import CentralConfig, Source
from bot.core.centralfile import parse_central
from bot.core.explain import named_as, offline_facts
from bot.core.facts import EventFacts
from bot.core.ids import BuildId, Digest, HostKind, Sha, SourceName, Trust
from bot.core.naming import credential_scopes
from bot.core.planning import plan as decide
from bot.core.plans import ClaimWish, PlannedImage
from bot.core.podsettings import PodMistake
from bot.core.recipe import Attempt, attempt_document, final_recipe, recipe_hash
from bot.core.reports_pods import Rendered, pod_json, yaml_text
from bot.core.yamltree import CENTRAL_LIMITS
from bot.executors.kubernetes.inputs import Credentials, build_secret
from bot.executors.kubernetes.manifest import build_pod
from bot.executors.kubernetes.names import identity_of
from bot.offline import (
    InputMistake,
    complain,
    print_json,
    print_lines,
    read_file,
    read_given,
    refuse,
    tell_ignored,
)
from bot.ports import AttemptSpec, CloneCredential, Origin

HIDDEN = "(hidden)"
NO_BUILD = BuildId("0" * 32)
"""A build gets its id when the plan is written."""
NO_DIGEST = Digest("sha256:" + "0" * 64)
_SHOWN = ("recipe.json", "hosts-")
"""What of the Secret is no secret: the recipe, and dockerd's mirror files."""


def render_pod(options: argparse.Namespace) -> int:
    """0 also where there is nothing to build; 1 for mistakes, with all of them."""
    try:
        facts = _facts(options)
        if isinstance(facts, str):
            return tell_ignored(facts, as_json=options.json)
        made = named_as(decide(facts), options.config or "")
        rendered = list(_rendered(facts, made.claims, options.image))
    except (InputMistake, PodMistake) as mistake:
        return refuse(str(mistake))
    mistakes = [one for wish in made.claims for one in wish.mistakes]
    if mistakes:
        complain(mistakes)
        return 1
    if not rendered:
        waiting = next((wish.waiting for wish in made.claims if wish.waiting), None)
        return tell_ignored(waiting or made.note, as_json=options.json)
    if options.json:
        print_json({"pods": [pod_json(one) for one in rendered]})
    else:
        for one in rendered:
            print_lines(yaml_text(one).splitlines())
    return 0


# -- what is known -------------------------------------------------------------------------


def _facts(options: argparse.Namespace) -> EventFacts | str:
    """As `plan` makes them, with the central config's own rules. Raises InputMistake."""
    given = read_given(options)
    central = _central(options.central)
    source = _source(central, given.host, options.source)
    facts = offline_facts(replace(given, registry=central.default_registry or given.registry))
    if isinstance(facts, str):
        return facts
    rule = rule_for(central, source.name, facts.repository.path)
    if rule is None:
        raise InputMistake(
            f"{options.central} serves no repository {facts.repository.path} of the source "
            f"{source.name}; see `repositories`"
        )
    return replace(facts, central=central, source=source.name, rule=rule)


def _central(path: str) -> CentralConfig:
    found = parse_central(read_file(path, CENTRAL_LIMITS.size + 1, cut=True), path)
    if not isinstance(found, CentralConfig):
        raise InputMistake("\n".join(str(mistake) for mistake in found))
    if found.kubernetes is None:
        raise InputMistake(f"{path} has no section `kubernetes`: it says where pods run")
    return found


def _source(central: CentralConfig, kind: HostKind, name: str | None) -> Source:
    fitting = [s for s in central.sources.values() if s.kind is kind and name in (None, s.name)]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(s.name for s in central.sources.values() if s.kind is kind)
    if not fitting:
        raise InputMistake(f"the central config has no such {kind} source; it has: {known or '-'}")
    raise InputMistake(f"there are several {kind} sources, choose by --source: {known}")


# -- one pod -------------------------------------------------------------------------------


def _rendered(
    facts: EventFacts, claims: tuple[ClaimWish, ...], only: str | None
) -> Iterator[Rendered]:
    images = [image for wish in claims for image in wish.images]
    if only is not None and images and only not in {image.image for image in images}:
        built = ", ".join(image.image for image in images)
        raise InputMistake(f"this event does not build an image {only!r}; it builds: {built}")
    for image in images:
        if only in (None, image.image):
            yield _one(facts, image, images)


def _one(facts: EventFacts, image: PlannedImage, images: list[PlannedImage]) -> Rendered:
    kubernetes = facts.central.kubernetes
    if kubernetes is None:
        raise InputMistake("the central config has no section `kubernetes`")
    spec = make_spec(facts, image, images)
    identity = identity_of(spec, kubernetes.instance)
    secret = build_secret(spec, kubernetes.pods, identity, _hidden(facts, spec))
    pod = build_pod(spec, kubernetes.pods, identity)
    return Rendered(image.image, pod, _opened(secret))


def make_spec(facts: EventFacts, image: PlannedImage, images: list[PlannedImage]) -> AttemptSpec:
    """What the worker hands to the executor for the first attempt, as far as it is known."""
    names = {one.image: (one.names[0], NO_DIGEST) for one in images if one.names}
    final = final_recipe(image.recipe, names)
    limits = facts.central.limits
    attempt = Attempt(
        number=1,
        cache_mode=image.cache_mode,
        limits={
            "timeout_seconds": image.timeout_seconds,
            "silence_seconds": limits.silence_seconds,
            "dockerd_seconds": 60,
        },
        frontends=facts.central.trust.frontends_of(facts.trust),
    )
    document = attempt_document(final, attempt)
    registries, source = facts.central.registries, facts.central.sources[facts.source]
    rule = rule_for(facts.central, facts.source, facts.repository.path)
    allowed = allowed_patterns(rule, facts.central, facts.repository.path) if rule else ()
    document["allowed"] = [*image.names, *allowed]
    insecure = sorted(rule.host for rule in registries.values() if rule.insecure)
    document["cache"] = {**_part(document, "cache"), "insecure_hosts": insecure}
    way = {"ca_file": source.ca_file, "proxy": source.proxy}
    document["source"] = {**_part(document, "source"), **way}
    return AttemptSpec(
        name=f"{NO_BUILD}-1",
        recipe=document,
        recipe_hash=recipe_hash(final),
        trusted=facts.trust is Trust.TRUSTED,
        origin=_origin(facts, image),
        registries=credential_scopes(registries, image.names[0] if image.names else ""),
        credential=CloneCredential(HIDDEN, HIDDEN),
        secrets=image.secrets,
    )


def _origin(facts: EventFacts, image: PlannedImage) -> Origin:
    return Origin(
        build=NO_BUILD,
        attempt=1,
        source=SourceName(facts.source),
        repository=facts.repository.id,
        path=facts.repository.path,
        image=image.image,
        sha=Sha(str(_part(image.recipe, "source").get("sha"))),
    )


def _part(document: Mapping[str, object], key: str) -> dict[str, Any]:
    part = document.get(key)
    return dict(part) if isinstance(part, dict) else {}


def _hidden(facts: EventFacts, spec: AttemptSpec) -> Credentials:
    """The same keys as with real values; nothing is read from a file."""
    hosts = [host for host, rule in facts.central.registries.items() if rule.pod_auth_file]
    pair = base64.b64encode(f"{HIDDEN}:{HIDDEN}".encode()).decode()
    own_ca = facts.central.sources[facts.source].ca_file
    return Credentials(
        {"auths": {host: {"auth": pair} for host in hosts}},
        {secret_id: HIDDEN for secret_id, _ in spec.secrets},
        HIDDEN if own_ca else None,
    )


def _opened(secret: Mapping[str, object]) -> dict[str, object]:
    """With `stringData` instead of `data`: readable, and nothing that could be applied by mistake
    as it is."""
    data = _part(secret, "data")
    texts = {name: _text(name, value) for name, value in sorted(data.items())}
    kept = {key: value for key, value in secret.items() if key != "data"}
    return {**kept, "stringData": texts}


def _text(name: str, value: str) -> str:
    if not name.startswith(_SHOWN):
        return HIDDEN
    text = base64.b64decode(value).decode()
    return json.dumps(json.loads(text), indent=1) + "\n" if name.endswith(".json") else text
