"""Processes of a demo that was killed: named by pid and start time, ended by the next run."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def start_time(pid: int) -> str | None:
    """In clock ticks since boot; None for a process that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


class Leftovers:
    """A small file beside the demo's folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder.with_name(folder.name + ".pids")

    def remember(self, *pids: int | None) -> None:
        known = self._read()
        known |= {str(pid): start_time(pid) or "" for pid in pids if pid}
        self._file.write_text(json.dumps(known))

    def end(self) -> int:
        """End what a former run left; how many there were."""
        ended = 0
        for text, started in self._read().items():
            pid = int(text)
            if start_time(pid) != started:
                continue
            ended += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            for _ in range(100):
                if start_time(pid) != started:
                    break
                time.sleep(0.1)
            else:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.forget()
        return ended

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
