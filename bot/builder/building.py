"""One image: the build client called, and called again where that can help."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.builder.budget import Budget
from bot.builder.classes import BuildClass
from bot.builder.clients import Client, Kind
from bot.builder.commands import BuildCall, build_call, push_argv, writes_registry_cache
from bot.builder.daemon import DaemonFacts
from bot.builder.dockerfile import read_stages
from bot.builder.failures import Evidence, classify, lost_cache, push_failure
from bot.builder.misses import Offer, Reading, summarise
from bot.builder.outcome import BuildFailed, CacheSummary
from bot.builder.processes import Command, Finished, run
from bot.builder.progress import Plain, Progress, RawJson
from bot.builder.recipe import Recipe
from bot.builder.records import LogStream, Records
from bot.builder.redaction import Redactor
from bot.builder.steps import StepReporter
from bot.builder.tree import Inputs

_DOCKERFILE_LIMIT = 4 << 20
_PUSHED = re.compile(rb"digest: (sha256:[0-9a-f]{64}) size: \d+")


@dataclass(frozen=True, slots=True)
class Site:
    """What the run found: the tree's paths, the client, the daemon, the client's environment."""

    inputs: Inputs
    client: Client
    daemon: DaemonFacts
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Built:
    """`digest`: None if nothing was pushed."""

    digest: str | None


class Builder:
    def __init__(
        self, recipe: Recipe, site: Site, budget: Budget, out: tuple[Records, Redactor]
    ) -> None:
        self._recipe = recipe
        self._site = site
        self._budget = budget
        self._records, self._redactor = out
        text = read_limited(site.inputs.dockerfile)
        self._stages = read_stages(text, recipe.build.args)
        self._reporter = self._new_reporter()
        self._progress: Progress | None = None
        self._lost = False

    def summary(self, found: int, *, blank: bool = False) -> CacheSummary:
        """`found` caches were there; `blank`: they hold no records."""
        recipe = self._recipe
        vertices = list(self._progress.vertices.values()) if self._progress else []
        offer = Offer(
            candidates=len(recipe.cache.sources),
            found=found,
            whole=recipe.cache.mode == "registry"
            and writes_registry_cache(self._site.client, self._site.daemon),
            no_cache=recipe.build.no_cache,
            lost=self._lost,
            blank=blank,
        )
        name, target = self._site.inputs.dockerfile_name, recipe.build.target
        reading = Reading(name, self._stages, target, self._reporter.line)
        found_out = summarise(vertices, reading, offer)
        first = found_out.first_miss
        return replace(found_out, first_miss=first and self._redactor.text(first))

    def warnings(self) -> list[str]:
        """What went wrong beside the build: a cache that could not be written fails none."""
        vertices = self._progress.vertices.values() if self._progress else ()
        return [
            f"the cache could not be written to {self._recipe.cache.to}; the next build does "
            f"without it: {self._redactor.text(vertex.error[-200:])}"
            for vertex in vertices
            if vertex.error and vertex.name.startswith("exporting cache")
        ]

    def build(self, cache_from: Sequence[str]) -> Built:
        """Raises BuildFailed. A busy registry is asked again; lost layers are done without."""
        waits = iter(self._recipe.limits.registry_waits)
        while True:
            call = build_call(
                self._recipe, self._site.inputs, self._site.client, self._site.daemon, cache_from
            )
            evidence = self._call(call)
            if evidence is None:
                return Built(self._digest(call))
            if cache_from and lost_cache(evidence):
                self._records.note("a cached layer is gone from the registry; again without cache")
                self._lost = True
                cache_from = ()
                continue
            failure = classify(evidence)
            pause = next(waits, None)
            if failure.kind is not BuildClass.REGISTRY_UNAVAILABLE or pause is None:
                raise failure
            self._records.note(f"{failure.message}; again in {pause:g} s")
            self._budget.sleep(pause)

    def _new_reporter(self) -> StepReporter:
        name = self._site.inputs.dockerfile_name
        return StepReporter(self._records, self._redactor, name, self._stages)

    def _call(self, call: BuildCall) -> Evidence | None:
        """One invocation; None if it succeeded."""
        self._reporter = reporter = self._new_reporter()
        buildx = self._site.client.kind is Kind.BUILDX
        progress = (RawJson if buildx else Plain)(reporter.log, reporter.done)
        self._progress = progress
        command = Command(call.argv, self._site.env, self._recipe.workdir)
        killed = memory_kills()
        output = LogStream(self._records, self._redactor, "build")
        try:
            finished = run(
                command,
                self._budget,
                silence=self._recipe.limits.silence,
                output=output.feed,
                errors=progress.feed,
            )
        finally:
            progress.close()
            reporter.close()
            output.close()
        if finished.code == 0:
            self._check_buildkit(progress)
            return None
        self._say(progress.text)
        return self._evidence(progress, finished, memory_kills() - killed)

    def _evidence(self, progress: Progress, finished: Finished, killed: int) -> Evidence:
        vertices = list(progress.vertices.values())
        return Evidence(
            vertices=vertices,
            text=progress.text,
            code=finished.code,
            dockerfile=self._site.inputs.dockerfile_name,
            stages=self._stages,
            last_lines=self._reporter.last_lines(vertices),
            killed=killed,
        )

    def _check_buildkit(self, progress: Progress) -> None:
        if not progress.vertices:
            raise BuildFailed(
                BuildClass.CONFIG,
                f"{self._site.client.program} built without BuildKit: install docker-buildx",
            )

    def _say(self, text: str) -> None:
        stream = LogStream(self._records, self._redactor, "build")
        stream.feed(text.encode("utf-8", "replace"))
        stream.close()

    def _digest(self, call: BuildCall) -> str | None:
        if self._recipe.push is None:
            return None
        if not call.pushes:
            return self._push(self._recipe.push.reference)
        try:
            document = json.loads(call.metadata.read_bytes()) if call.metadata else {}
            return str(document["containerimage.digest"])
        except (OSError, ValueError, KeyError) as error:
            raise BuildFailed(
                BuildClass.INTERNAL, "buildx pushed and told no digest (metadata file)"
            ) from error

    def _push(self, reference: str) -> str:
        """`docker push`; the image stays in the daemon, so that trying again costs no build."""
        argv = push_argv(self._site.client, reference)
        command = Command(argv, self._site.env, self._recipe.workdir)
        for pause in (*self._recipe.limits.registry_waits, None):
            done = run(command, self._budget, silence=self._recipe.limits.silence)
            self._say((done.output + done.errors).decode("utf-8", "replace"))
            if done.code == 0:
                break
            text = done.errors.decode("utf-8", "replace").strip()
            failure = push_failure(text.splitlines()[-1] if text else "it said nothing")
            if failure.kind is not BuildClass.REGISTRY_UNAVAILABLE or pause is None:
                raise failure
            self._records.note(f"{failure.message}; again in {pause:g} s")
            self._budget.sleep(pause)
        pushed = _PUSHED.search(done.output)
        if pushed is None:
            raise BuildFailed(BuildClass.INTERNAL, "docker push told no digest")
        return pushed[1].decode()


def read_limited(path: Path) -> str:
    """The Dockerfile's text, at most 4 MiB of it."""
    with path.open("rb") as file:
        return file.read(_DOCKERFILE_LIMIT).decode("utf-8", "replace")


def memory_kills() -> int:
    """How often this machine's kernel killed for lack of memory so far; 0 where it doesn't tell.

    The machine's, for want of a nearer one: cgroup version 1 counts a kill in the step's own group
    alone, which is gone with the step, and a builder in a pod sees its own container's group only.
    """
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0
