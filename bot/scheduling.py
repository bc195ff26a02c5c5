"""Builds go forward: admitted within the limits, started, looked at, proven in the registry.

Level-triggered: each step reads the row and a fresh observation, and writes one move. Nothing here
depends on having seen an earlier step, so any worker can take over after any instruction.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.attempts import Specs, pushed_name
from bot.core import daemons
from bot.core.advance import Cancel, Deadlines, Finish, Retry, Started, Stay, Step, Verify, advance
from bot.core.builds import (
    BuildState,
    Ended,
    NotThere,
    Outcome,
    OutcomeClass,
    Progress,
)
from bot.core.cacheadvice import advised
from bot.core.ids import BuildId, Digest
from bot.core.outcomes import (
    classify,
    failure,
    internal,
    refused_tag,
    settle,
    span,
    withdrawn_outcome,
)
from bot.flow import Ports
from bot.logreading import OFTEN, LogReading
from bot.ports import AdmissionDenied, HostError, Permanent, Registry, Temporary
from bot.records import (
    AdmissionLimits,
    BuildRow,
    LeaseLost,
    Move,
)
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.scheduling")

LEASE = 30.0
_AGAIN = 0.25
"""Seconds until an attempt that was told to stop is looked at again."""

_TAGS = 1.0
"""Seconds until a build whose tags are being written is looked at, should nothing wake it."""

_ACCEPTED = "starting"
_NOT_YET = "can't be started yet: "
"""Reasons of a build that is starting: until the executor accepted it, it is asked again."""

_LOG_PATIENCE = 0.2
"""Seconds that one step waits for logs, all builds together: most come sooner than another look."""
_LOG_LOOK = 1.0
"""Seconds until a build whose log is still being read is looked at, should nothing wake it."""


class Scheduler:
    """One `step` admits what fits and looks at each active build that is due."""

    def __init__(self, ports: Ports, registry: Registry, logs: LogReading | None = None) -> None:
        """`logs` None: read at once, in the step itself."""
        self._ports = ports
        self._registry = registry
        self._specs = Specs(ports)
        self._logs = logs or LogReading(ports)
        self._patience = _LOG_PATIENCE
        self._warned: set[tuple[str, str]] = set()
        self._woken: set[BuildId] = set()

    def step(self) -> bool:
        """True when something moved."""
        moved = False
        self._patience = _LOG_PATIENCE
        for build in self._admitted():
            moved |= self._guarded(build, starting=True)
        for build in self._due():
            moved |= self._guarded(build, starting=False)
        return moved

    def _due(self) -> Sequence[BuildRow]:
        """Builds whose attempts did something are due now, whichever worker holds them."""
        names = [*self._ports.executor.changed(), *self._logs.ended()]
        self._woken |= {BuildId(name.rpartition("-")[0]) for name in names}
        due = self._ports.store.due_builds(self._now(), LEASE, 64, sorted(self._woken))
        self._woken.clear()  # not before: the database may have been away
        return due

    def _admitted(self) -> tuple[BuildRow, ...]:
        limits = self._ports.central().limits
        wanted = AdmissionLimits(limits.builds, limits.builds_per_repository)
        return tuple(self._ports.store.admit(wanted, self._now(), LEASE))

    def _guarded(self, build: BuildRow, *, starting: bool) -> bool:
        """One build's trouble is not another's."""
        try:
            if starting:
                self._start(build)
                return True
            return self._look(build)
        except LeaseLost:
            return False
        except Temporary as error:
            LOG.warning("later: %s", error, extra=_about(build))
            self._release(build, error.after or 2.0)
        except Exception as error:
            LOG.exception("a build could not be moved", extra=_about(build))
            self._broken(build, error)
        return False

    # -- starting ----------------------------------------------------------------------------

    def _start(self, build: BuildRow) -> None:
        """Idempotent: the attempt's name is the lock, so a second start finds the first."""
        if build.withdrawn:
            self._apply(build, self._advance(build, None))
            return
        try:
            spec = self._specs.of(build)
        except Permanent as error:
            self._end(build, internal(str(error)))
            return
        try:
            self._ports.executor.start(spec)
        except AdmissionDenied as error:
            self._end(build, failure(OutcomeClass.ADMISSION_DENIED, str(error)))
        except Permanent as error:
            self._end(build, internal(str(error)))
        except Temporary as error:
            self._not_yet(build, error)
        else:
            now = self._now()
            move = Move(BuildState.STARTING, _ACCEPTED, next_at=now, recipe_hash=spec.recipe_hash)
            moved = self._ports.store.move_build(build, move, now)
            LOG.info("started %s", spec.name, extra=_about(build))
            self._see(moved)

    def _not_yet(self, build: BuildRow, error: Temporary) -> None:
        now, limit = self._now(), float(self._ports.central().limits.queue_seconds)
        waited = now - (build.admitted_at or build.queued_at)
        if waited >= limit:
            text = f"did not start within {span(limit)}: {error}"
            self._end(build, failure(OutcomeClass.QUEUE_DEADLINE, text))
            return
        pause = error.after or min(30.0, max(2.0, waited / 4))
        move = Move(BuildState.STARTING, f"{_NOT_YET}{error}", next_at=now + pause)
        self._ports.store.move_build(build, move, now)

    # -- looking -----------------------------------------------------------------------------

    def _look(self, build: BuildRow) -> bool:
        if build.state is BuildState.TAGGING:
            return self._settle_tags(build)
        if build.state is BuildState.VERIFYING:
            return self._verify_again(build)
        asked = build.reason and not build.reason.startswith(_NOT_YET)
        if build.state is BuildState.STARTING and not asked and not build.withdrawn:
            # Admitted by a worker that did not come back: the name makes starting again safe.
            self._start(build)
            return True
        return self._see(build)

    def _see(self, build: BuildRow) -> bool:
        step = self._advance(build, self._name(build))
        match step:
            case Verify(result):
                stored = self._logs.last(build)  # while the registry is asked
                return self._verify(build, Ended(result, outcome=result.outcome), stored)
            case Finish() | Retry():
                if not self._log_is_stored(build):
                    return False
            case _:
                self._logs.glance(build)
        return self._apply(build, step)

    def _log_is_stored(self, build: BuildRow) -> bool:
        """What reports quote is there before the end is written. Else the build is looked at again
        when it is: no other one waits for that."""
        clock = self._ports.clock
        began = clock.monotonic()
        stored = self._logs.last(build, self._patience)
        self._patience = max(0.0, self._patience - (clock.monotonic() - began))
        if not stored:
            self._ports.store.release_build(build, self._now() + _LOG_LOOK)
        return stored

    def _advance(self, build: BuildRow, name: str | None) -> Step:
        observation = self._ports.executor.observe(name) if name else NotThere()
        now, pause = self._now(), self._ports.executor.look_seconds
        if build.watched_until > now:
            pause = min(pause, OFTEN)
        limits = self._ports.central().limits
        deadlines = Deadlines(float(limits.queue_seconds), look=pause)
        return advance(_progress(build), observation, now, deadlines)

    def _apply(self, build: BuildRow, step: Step) -> bool:
        now = self._now()
        match step:
            case Stay(next_at, reason):
                if reason and reason != build.reason:
                    move = Move(build.state, reason=reason, next_at=next_at)
                    self._ports.store.move_build(build, move, now)
                else:
                    self._ports.store.release_build(build, next_at)
                return False
            case Started(at):
                next_at = now + self._ports.executor.look_seconds
                move = Move(BuildState.RUNNING, started_at=at, next_at=next_at)
                self._ports.store.move_build(build, move, now)
            case Cancel():
                self._ports.executor.cancel(self._name(build))
                self._ports.store.release_build(build, now + _AGAIN)
            case Retry(after, outcome):
                move = Move(
                    BuildState.QUEUED, reason=outcome.message, next_at=now + after, outcome=outcome
                )
                self._ports.store.move_build(build, move, now)
                LOG.warning("again in %.0f s: %s", after, outcome.message, extra=_about(build))
            case Finish(outcome):
                self._end(build, outcome)
        return True

    def _verify_again(self, build: BuildRow) -> bool:
        observation = self._ports.executor.observe(self._name(build))
        match observation:
            case Ended():
                return self._verify(build, observation)
            case NotThere():
                self._finish_or_retry(build, internal("the builder's result is gone"))
            case _:
                # It ended, and this worker has not heard of it yet.
                self._ports.store.release_build(build, self._now() + 1.0)
                return False
        return True

    def _verify(self, build: BuildRow, ended: Ended, log_stored: bool = False) -> bool:
        """The registry's answer to a HEAD is the proof; without it nothing is green."""
        head: Digest | None = None
        trouble = ""
        digest = ended.result.digest if ended.result else None
        if not build.check_only and digest is not None:
            try:
                head = self._registry.digest(pushed_name(build), digest)
            except Temporary as error:
                if build.withdrawn:  # nobody waits for the proof any more
                    self._end(build, _withdrawn(build))
                    return True
                if self._now() - (build.started_at or build.queued_at) < _timeout(build) + 300:
                    return self._verify_later(build, error)
                trouble = str(error)
            except HostError as error:
                trouble = str(error)
        outcome = classify(ended, push=not build.check_only, head=head, registry_error=trouble)
        if not log_stored and not self._log_is_stored(build):
            return False
        self._finish_or_retry(build, outcome)
        return True

    def _verify_later(self, build: BuildRow, error: Temporary) -> bool:
        """Only here a build is seen to verify: a proof that comes at once is one move less."""
        LOG.warning("later: %s", error, extra=_about(build))
        now = self._now()
        began, next_at = build.started_at or build.admitted_at, now + (error.after or 2.0)
        move = Move(BuildState.VERIFYING, next_at=next_at, started_at=began)
        self._ports.store.move_build(build, move, now)
        return False

    def _finish_or_retry(self, build: BuildRow, outcome: Outcome) -> None:
        step = settle(outcome, build.attempt)
        if isinstance(step, Retry) and not build.withdrawn:
            self._apply(build, step)
        else:
            self._end(build, outcome)

    def _end(self, build: BuildRow, outcome: Outcome) -> None:
        state = outcome.state
        if state is BuildState.SUCCEEDED:
            outcome = self._advised(build, self._with_size(build, outcome))
            state = BuildState.TAGGING if not build.check_only else state
        now, began = self._now(), build.started_at
        if state is BuildState.TAGGING:
            began = began or build.admitted_at
        move = Move(
            state, reason=outcome.message, outcome=outcome, next_at=now + _TAGS, started_at=began
        )
        moved = self._ports.store.move_build(build, move, now)
        LOG.info("%s: %s", moved.state, moved.reason, extra=_about(build))
        if moved.state is BuildState.TAGGING:
            # The lease is given back, but while nobody takes it the build is still ours to end.
            self._end_tagged(moved)

    def _with_size(self, build: BuildRow, outcome: Outcome) -> Outcome:
        if outcome.digest is None or outcome.size_bytes is not None:
            return outcome
        name = pushed_name(build)
        try:
            size = self._registry.size(name, self._registry.manifest(name, outcome.digest))
        except HostError:
            return outcome  # a size is told where it is known; no build fails for it
        return replace(outcome, size_bytes=size)

    def _advised(self, build: BuildRow, outcome: Outcome) -> Outcome:
        """With what its cache tells; a daemon's flaw is logged once for each version."""
        mode = str(build.plan.get("cache_mode") or "inline")
        for flaw in daemons.flaws(outcome.daemon):
            if (outcome.daemon, flaw.source) not in self._warned:
                self._warned.add((outcome.daemon, flaw.source))
                LOG.warning("%s", daemons.sentence(outcome.daemon, flaw), extra=_about(build))
        return advised(outcome, mode, self._ports.store.success_before(build))

    def _settle_tags(self, build: BuildRow) -> bool:
        if self._end_tagged(build):
            return True
        self._ports.store.release_build(build, self._now() + _TAGS)
        return False

    def _end_tagged(self, build: BuildRow) -> bool:
        """False: a tag is still to be written. Who writes the last one makes the build due."""
        settled, refused = self._ports.store.build_tags_settled(build)
        if not settled:
            return False
        outcome = build.outcome
        if outcome is None:
            outcome = internal("the outcome was lost")
        elif refused and build.digest:
            outcome = refused_tag(outcome, pushed_name(build), build.digest, refused)
        move = Move(outcome.state, reason=outcome.message, outcome=outcome)
        self._ports.store.move_build(build, move, self._now())
        return True

    # -- small things ------------------------------------------------------------------------

    def _broken(self, build: BuildRow, error: Exception) -> None:
        try:
            self._finish_or_retry(build, internal(f"{type(error).__name__}: {error}"))
        except (LeaseLost, HostError):
            LOG.warning("its end could not be written", extra=_about(build))

    def _release(self, build: BuildRow, after: float) -> None:
        try:
            self._ports.store.release_build(build, self._now() + after)
        except (LeaseLost, HostError):
            LOG.warning("its lease could not be given back", extra=_about(build))

    def _name(self, build: BuildRow) -> str:
        return f"{build.id}-{build.attempt}"

    def _now(self) -> float:
        return self._ports.clock.now()


def _progress(build: BuildRow) -> Progress:
    withdrawn = build.withdrawn
    return Progress(
        id=build.id,
        state=build.state,
        attempt=build.attempt,
        push=not build.check_only,
        withdrawn="superseded" if withdrawn == "superseded" else "cancelled" if withdrawn else "",
        queued_at=build.queued_at,
        started_at=build.started_at,
        timeout_seconds=_timeout(build),
        admitted_at=build.admitted_at,
        withdrawn_by=build.reason if withdrawn else "",
    )


def _withdrawn(build: BuildRow) -> Outcome:
    superseded = build.withdrawn == "superseded"
    return withdrawn_outcome("superseded" if superseded else "cancelled", build.reason)


def _timeout(build: BuildRow) -> float:
    seconds = build.plan.get("timeout_seconds")
    return float(seconds) if isinstance(seconds, int | float) else 1800.0


def _about(build: BuildRow) -> Mapping[str, object]:
    return fields(build=build.id, attempt=build.attempt, sha=build.sha[:12])
