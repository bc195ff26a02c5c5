"""Children: argument lists only, a process group of their own, ended when time is up."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.builder.budget import Budget
from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed

_GRACE_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, with the whole of its environment."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """`output` and `errors`: the last 1 MiB of each where no sink was given."""

    code: int
    output: bytes
    errors: bytes


class _Collector:
    """Keeps the end of a stream."""

    def __init__(self, room: int = 1 << 20) -> None:
        self.data = b""
        self._room = room

    def __call__(self, chunk: bytes) -> None:
        self.data = (self.data + chunk)[-self._room :]


def run(
    command: Command,
    budget: Budget,
    *,
    silence: float | None = None,
    output: Sink | None = None,
    errors: Sink | None = None,
) -> Finished:
    """Run to the end. Raises BuildFailed: cancelled, timeout (also after `silence` seconds without
    a byte), config (the program is not there)."""
    budget.check()
    kept_output, kept_errors = _Collector(), _Collector()
    try:
        child = subprocess.Popen(
            list(command.argv),
            env=dict(command.env),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (this process has one thread)
        )
    except FileNotFoundError as error:
        raise BuildFailed(
            BuildClass.CONFIG, f"{command.argv[0]} is not installed beside the builder"
        ) from error
    try:
        _pump(child, budget, silence, (output or kept_output, errors or kept_errors))
        code = child.wait()
    finally:
        end_group(child)
    return Finished(code, kept_output.data, kept_errors.data)


def die_with_parent() -> None:
    """If the builder is killed outright, git and docker must not go on pushing."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _pump(
    child: subprocess.Popen[bytes], budget: Budget, silence: float | None, sinks: tuple[Sink, Sink]
) -> None:
    if child.stdout is None or child.stderr is None:
        raise AssertionError("the child was started with pipes")
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, sinks[0])
        selector.register(child.stderr, selectors.EVENT_READ, sinks[1])
        selector.register(budget.wake_fd, selectors.EVENT_READ, None)
        heard = time.monotonic()
        while len(selector.get_map()) > 1:
            budget.check()
            quiet = time.monotonic() - heard
            if silence is not None and quiet >= silence:
                raise BuildFailed(
                    BuildClass.TIMEOUT,
                    f"no output for {silence:g} s: the build hangs (its last lines are in the log)",
                )
            left = budget.remaining()
            wait = left if silence is None else min(left, silence - quiet)
            for key, _ in selector.select(wait):
                if key.data is None:
                    continue
                chunk = os.read(key.fd, 65536)
                if chunk:
                    heard = time.monotonic()
                    key.data(chunk)
                else:
                    selector.unregister(key.fd)


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and all that it started; afterwards its process group is empty."""
    if child.poll() is None:
        _signal_group(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
    _signal_group(child, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
