"""Pages as a browser gets them, and builds that print what a test says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient

from bot.core.builds import LogLine
from tests.fakes.executor_memory import MemoryExecutor
from tests.scenarios.world import World

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202egnp.exe\x00"


@dataclass(slots=True)
class Talkative(MemoryExecutor):
    """An executor whose attempts print what a test says: (kind, text) for each line. A step is one
    that failed."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        lines = [LogLine(n, _record(n, *one)) for n, one in enumerate(self.said, start=1)]
        return [line for line in lines if line.n > after][:limit]


def _record(n: int, kind: str, text: str) -> str:
    if kind == "phase":
        return json.dumps({"n": n, "t": 1.0, "k": kind, "name": text, "state": "start"})
    if kind == "step":
        step = {"id": "s", "line": 17, "name": text, "hit": False, "error": "exit 1"}
        return json.dumps({"n": n, "t": 1.0, "k": kind, **step})
    return json.dumps({"n": n, "t": 1.0, "k": kind, "x": text})


def link(world: World, sha: str, context: str = "pushwright/api") -> str:
    """The path that a status leads to."""
    url = world.shown(sha)[context].target_url
    assert url is not None
    return url.removeprefix("https://bot.test")


def text(browser: FlaskClient, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def document(browser: FlaskClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(browser, f"{path}.json"))
    return found
