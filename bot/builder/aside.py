"""Work that a forked child does meanwhile: an accelerator, never the only way to a result.

A child and no thread, since the builder starts git and docker from a process that must have one
thread (what runs between fork and exec could wait for a lock that a thread held).
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from bot.builder.budget import Budget
from bot.builder.processes import die_with_parent

Work = Callable[[], dict[str, Any]]
"""What it gives must be JSON."""


class Aside:
    """Begins at once; leaving the `with` block ends it, whatever it is at."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._read, write = os.pipe2(os.O_CLOEXEC)
        self._pid: int | None = os.fork()
        if self._pid == 0:
            self._child(write)
        os.close(write)

    def _child(self, write: int) -> None:
        """Never returns; a failure is an answer that does not come."""
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            die_with_parent()
            with os.fdopen(write, "wb") as file:
                file.write(json.dumps(self._work()).encode())
        finally:
            os._exit(0)

    def result(self, budget: Budget) -> dict[str, Any]:
        """The child's, or the work's own where the child gave none. Raises what the work raises,
        and BuildFailed (cancelled, timeout)."""
        data = b""
        while True:
            budget.check()
            ready, _, _ = select.select([self._read, budget.wake_fd], [], [], budget.remaining())
            if self._read not in ready:
                continue
            chunk = os.read(self._read, 65536)
            if not chunk:
                break
            data += chunk
        with suppress(ValueError):
            found: Any = json.loads(data)
            if isinstance(found, dict):
                return found
        return self._work()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pid, self._pid = self._pid, None
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(self._read)
