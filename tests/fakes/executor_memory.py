"""An executor without builds: attempts end as a test says. Satisfies `bot.ports.Executor`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.builds import (
    BuilderResult,
    CacheUse,
    Ended,
    LogLine,
    NotThere,
    Observation,
    OutcomeClass,
    Pending,
    Place,
    Running,
)
from bot.core.ids import Digest, Sha
from bot.ports import AttemptSpec, Clock, Permanent
from tests.fakes.registry_memory import nothing

Push = Callable[[str, str, str], Digest]
"""(image name, tag, what the image is made of) to the digest that the registry holds then."""


@dataclass(frozen=True, slots=True)
class Succeed:
    """The builder pushes and says so. `stored` False: it says so, and the registry lost it."""

    stored: bool = True
    text: str | None = None
    cache: CacheUse = field(default_factory=CacheUse)
    daemon: str = ""


@dataclass(frozen=True, slots=True)
class Fail:
    outcome: OutcomeClass
    message: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Die:
    """Without a word: killed, its machine lost."""

    outcome: OutcomeClass = OutcomeClass.BUILDER_LOST
    cause: str = "the builder was killed"


@dataclass(frozen=True, slots=True)
class Vanish:
    """The executor knows nothing of it any more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Accepted and not started, with a reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Runs until a test gives it another ending. `deaf`: it does not stop when told to."""

    deaf: bool = False


Ending = Succeed | Fail | Die | Vanish | Wait | Hold


@dataclass(slots=True)
class Run:
    """One attempt. `image` is the last part of its image name (of its context, where nothing is
    pushed)."""

    spec: AttemptSpec
    image: str
    sha: Sha
    started: float
    ending: Ending
    observation: Observation | None = None
    cancelled: bool = False

    @property
    def digest(self) -> Digest | None:
        seen = self.observation
        return seen.result.digest if isinstance(seen, Ended) and seen.result else None

    @property
    def ended(self) -> bool:
        return isinstance(self.observation, Ended | NotThere)


@dataclass(slots=True)
class MemoryExecutor:
    """`script[image]` are the endings of that image's next attempts, `usual` of all others.
    `before_observe` runs when somebody is about to look: there a test lets others be faster."""

    clock: Clock
    push: Push
    usual: Ending = field(default_factory=Succeed)
    script: dict[str, list[Ending]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    """By name, in the order of their starts; kept when the bot forgets them."""
    forgotten: set[str] = field(default_factory=set)
    starts: int = 0
    """How often `start` was called, repetitions included."""
    log: Sequence[str] = ("line 1", "line 2", "line 3")
    """What every attempt prints."""
    untrusted: bool = False
    """Whether it runs builds of code that nobody trusts."""
    before_observe: Callable[[], None] = nothing
    before_start: Callable[[AttemptSpec], None] = lambda _: None
    before_log: Callable[[str], None] = lambda _: None

    def start(self, spec: AttemptSpec) -> None:
        self.starts += 1
        self.before_start(spec)
        why = self.refuses(trusted=spec.trusted)
        if why:
            raise Permanent(why)
        found = self.runs.get(spec.name)
        if found is not None and found.spec.recipe_hash != spec.recipe_hash:
            raise Permanent(f"attempt {spec.name} is of another recipe")
        if found is not None:
            return
        json.dumps(spec.recipe)  # what a builder is given is a document
        image = _image(spec.recipe)
        scripted = self.script.get(image)
        ending = scripted.pop(0) if scripted else self.usual
        recipe: Any = spec.recipe
        sha = Sha(str(recipe["source"]["sha"]))
        self.runs[spec.name] = Run(spec, image, sha, self.clock.now(), ending)

    def observe(self, name: str) -> Observation:
        self.before_observe()
        run = self.runs.get(name)
        if run is None or name in self.forgotten:
            return NotThere()
        if run.observation is None:
            return self._look(run)
        return run.observation

    def _look(self, run: Run) -> Observation:
        match run.ending:
            case Hold():
                return Running(run.started)
            case Wait(reason):
                return Pending(reason)
            case Vanish():
                run.observation = NotThere()
            case Die(outcome, cause):
                run.observation = Ended(None, cause, outcome)
            case Fail(outcome, message, place):
                result = BuilderResult(outcome, message, place=place)
                run.observation = Ended(result, outcome=outcome)
            case Succeed():
                run.observation = self._succeed(run, run.ending)
        assert run.observation is not None
        return run.observation

    def _succeed(self, run: Run, ending: Succeed) -> Ended:
        recipe: Any = run.spec.recipe
        digest = None
        if recipe["push"] is not None:
            name, _, tag = recipe["push"]["reference"].rpartition(":")
            build = recipe["build"]
            text = ending.text or f"{name} {run.sha} {build['args']} {build['contexts']}"
            digest = self.push(name if ending.stored else "lost.test/lost", tag, text)
        message = "built" if digest else "built, not pushed"
        result = BuilderResult(
            OutcomeClass.SUCCEEDED, message, digest, cache=ending.cache, daemon=ending.daemon
        )
        return Ended(result, outcome=OutcomeClass.SUCCEEDED)

    @property
    def look_seconds(self) -> float:
        return 0.25

    def changed(self) -> Sequence[str]:
        return ()

    def running(self) -> Sequence[str]:
        return [name for name in self.runs if name not in self.forgotten]

    def cancel(self, name: str) -> None:
        run = self.runs.get(name)
        if run is None or run.observation is not None:
            return
        run.cancelled = True
        if isinstance(run.ending, Hold) and run.ending.deaf:
            return
        result = BuilderResult(OutcomeClass.CANCELLED, "stopped")
        run.observation = Ended(result, outcome=OutcomeClass.CANCELLED)

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        self.before_log(name)
        if name not in self.runs or name in self.forgotten:
            return []
        records = [{"n": n, "k": "log", "x": text} for n, text in enumerate(self.log, 1)]
        lines = [LogLine(n, json.dumps(record)) for n, record in enumerate(records, 1)]
        return [line for line in lines if line.n > after][:limit]

    def forget(self, name: str) -> None:
        self.forgotten.add(name)

    def refuses(self, *, trusted: bool) -> str | None:
        return None if trusted or self.untrusted else "this executor runs no untrusted code"

    def housekeeping(self) -> None:
        """There is no disk to keep."""

    # -- for tests ---------------------------------------------------------------------------

    def of(self, image: str, sha: str | None = None) -> list[Run]:
        """The attempts of an image, oldest first."""
        return [r for r in self.runs.values() if r.image == image and sha in (None, r.sha)]

    def end(self, image: str, sha: str | None = None, ending: Ending | None = None) -> None:
        """Let attempts that are held go on."""
        held = [run for run in self.of(image, sha) if isinstance(run.ending, Hold | Wait)]
        assert held, f"no attempt of {image} is held"
        for run in held:
            run.ending = ending or Succeed()

    def next(self, image: str, *endings: Ending) -> None:
        """The endings of the next attempts of an image."""
        self.script.setdefault(image, []).extend(endings)


def _image(recipe: Any) -> str:
    if recipe["push"] is not None:
        name = recipe["push"]["reference"].rpartition(":")[0]
        return str(name.rpartition("/")[2])
    return str(recipe["build"]["context"]).rstrip("/").rpartition("/")[2]
