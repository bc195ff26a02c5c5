"""What an attempt is given: the build's recipe, with needs, caches and limits as they are now."""

from __future__ import annotations

from collections.abc import Mapping

from bot.core.binding import allowed_patterns, may_write, rule_for
from bot.core.ids import Digest, ImageKey, Trust
from bot.core.naming import credential_scopes
from bot.core.plans import lasting_key
from bot.core.recipe import (
    Attempt,
    LastDigests,
    attempt_document,
    cache_candidates,
    cache_reference,
    final_recipe,
    recipe_hash,
)
from bot.flow import Ports
from bot.ports import AttemptSpec, Origin, Permanent
from bot.records import (
    BuildRow,
    RepositoryRow,
)


class Specs:
    """Makes what an executor needs to start one attempt of an admitted build."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def of(self, build: BuildRow) -> AttemptSpec:
        """Raises Temporary where the Git host gives no credential now, Permanent, NeedMissing."""
        row, refs = self._refs(build)
        needs = self._needs(build)
        final = final_recipe(build.recipe, needs)
        limits = self._ports.central().limits
        seconds = build.plan.get("timeout_seconds")
        attempt = Attempt(
            number=build.attempt,
            cache_mode=_mode(build),
            cache_from=self._cache_from(build, row, refs),
            cache_to=_cache_to(build),
            limits={
                "timeout_seconds": seconds if isinstance(seconds, int) else limits.build_seconds,
                "silence_seconds": limits.silence_seconds,
                "dockerd_seconds": 60,
            },
            frontends=self._ports.central().trust.frontends_of(build.trust),
        )
        document = attempt_document(final, attempt)
        document["allowed"] = self._allowed(build, row)
        cache = document["cache"]
        if isinstance(cache, dict):
            cache["insecure_hosts"] = self._insecure()
        document["source"] = self._reached(document["source"], row)
        host = self._ports.hosts.get(row.source)
        return AttemptSpec(
            name=f"{build.id}-{build.attempt}",
            recipe=document,
            recipe_hash=recipe_hash(final),
            trusted=build.trust is Trust.TRUSTED,
            origin=_origin(build, row),
            registries=credential_scopes(self._ports.central().registries, pushed_name(build)),
            credential=host.clone_credential(row.repository),
            secrets=_pairs(build.plan.get("secrets")),
        )

    def _needs(self, build: BuildRow) -> Mapping[ImageKey, tuple[str, Digest]]:
        found: dict[ImageKey, tuple[str, Digest]] = {}
        for needed in self._ports.store.needed(build.id):
            if needed.digest is not None:
                found[needed.image] = (pushed_name(needed), needed.digest)
        return found

    def _cache_from(
        self, build: BuildRow, row: RepositoryRow, refs: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Pinned by the digests that the database knows; nothing across trust levels upwards."""
        name, mode = pushed_name(build), _mode(build)
        if mode == "none" or not name:
            return ()

        def last(*keys: str, full: bool = False) -> Digest | None:
            store = self._ports.store
            found = store.last_digest(row.id, build.image, Trust.TRUSTED, keys, full=full)
            return found[1] if found and found[0] == name else None

        own, target, default = (last(ref) if ref else None for ref in refs)
        known = LastDigests(own, target, default, last(full=True) or last())
        by_name = [cache_reference(name, build.image, Trust.TRUSTED)] if mode == "registry" else []
        return cache_candidates(name, known, [*by_name, *_texts(build.plan.get("cache_from"))])

    def _allowed(self, build: BuildRow, row: RepositoryRow) -> list[str]:
        """The binding as it is now, checked again by the builder: it may have been narrowed."""
        central, path = self._ports.central(), row.repository.path
        rule = rule_for(central, row.source, path)
        if rule is None:
            raise Permanent(f"{path} is not in the central config any more")
        names = [n for n in _texts(build.plan.get("names")) if may_write(rule, central, path, n)]
        return [*names, *allowed_patterns(rule, central, path)]

    def _reached(self, source: object, row: RepositoryRow) -> dict[str, object]:
        """With the way to the host, which is the administrator's and no part of the recipe."""
        settings = self._ports.central().sources[row.source]
        way = {"ca_file": settings.ca_file, "proxy": settings.proxy}
        return {**(source if isinstance(source, dict) else {}), **way}

    def _insecure(self) -> list[str]:
        rules = self._ports.central().registries.values()
        return sorted(rule.host for rule in rules if rule.insecure)

    def _refs(self, build: BuildRow) -> tuple[RepositoryRow, tuple[str, str, str]]:
        """Its repository, and the refs whose last images may hold its steps: its own, the target
        of its request, the default branch."""
        found = self._ports.store.build(build.id)
        if found is None:
            raise Permanent("the build's repository is gone from the database")
        _, row, claims = found
        own = next((lasting_key(claim.kind, claim.name) for claim in claims), "")
        bases = (str(claim.wish.get("base_branch") or "") for claim in claims)
        target = next((f"refs/heads/{base}" for base in bases if base), "")
        branch = row.repository.default_branch
        return row, (own, target, f"refs/heads/{branch}" if branch else "")


def _mode(build: BuildRow) -> str:
    return str(build.plan.get("cache_mode") or "inline")


def _cache_to(build: BuildRow) -> str | None:
    """Untrusted builds write no cache, ever; a check writes nothing at all."""
    name = pushed_name(build)
    written = _mode(build) == "registry" and build.trust is Trust.TRUSTED and not build.check_only
    return cache_reference(name, build.image, build.trust) if written and name else None


def _origin(build: BuildRow, row: RepositoryRow) -> Origin:
    return Origin(
        build=build.id,
        attempt=build.attempt,
        source=row.source,
        repository=row.repository.id,
        path=row.repository.path,
        image=build.image,
        sha=build.sha,
        generation=build.generation,
    )


def pushed_name(build: BuildRow) -> str:
    names = _texts(build.plan.get("names"))
    return names[0] if names else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else ()


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple((str(pair[0]), str(pair[1])) for pair in value if len(pair) == 2)
