"""How long the run may still take, and whether somebody wants it to end."""

from __future__ import annotations

import os
import select
import signal
import time

from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed


class Budget:
    """One deadline for the whole run, and SIGTERM/SIGINT as a request to stop.

    Signals only set a flag and wake a pipe, so nothing is interrupted half-way; whoever waits
    does it here or watches `wake_fd`.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._cancelled = False
        self.wake_fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def listen(self) -> None:
        """Take SIGTERM, SIGINT and SIGHUP as cancel from now on."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: self.cancel())

    def cancel(self) -> None:
        self._cancelled = True
        os.write(self._write_fd, b"!")

    def close(self) -> None:
        """For a process that goes on."""
        os.close(self.wake_fd)
        os.close(self._write_fd)

    def remaining(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raises BuildFailed (cancelled, timeout)."""
        if self._cancelled:
            raise BuildFailed(BuildClass.CANCELLED, "the build was cancelled")
        if not self.remaining():
            raise BuildFailed(
                BuildClass.TIMEOUT,
                f"the build took longer than its limit of {self.seconds:g} s (key `timeout`)",
            )

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than the budget or until a cancel; raises as `check`."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            left = min(end - time.monotonic(), self.remaining())
            if end <= time.monotonic():
                return
            select.select([self.wake_fd], [], [], max(0.0, left))
