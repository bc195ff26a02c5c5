"""The commands that need no network, and the pure part of what the worker does with a push."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bot.core.explain import Offline, decide_offline
from bot.core.ids import HostKind
from bot.hosts.github.codec import parse
from tests.bench.load import SMALL
from tests.bench.table import Row, Target, median
from tests.demo.sample import CONFIG
from tests.payloads.catalogue import HERE

RUNS = 10
PLANS = 20
COMMITS = 2000
PROGRAM = Path(sys.executable).with_name("pushwright")


def tags(_seconds: float) -> list[Row]:
    """`pushwright tags` as a user sees it: from the call to the end of the process."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format())
        payload = str(HERE / "github" / "push.branch.json")
        command = [
            str(PROGRAM), "tags", "--host", "github", "--event", "push", "--payload", payload,
            "--config", str(config), "--image", "api", "--json",
        ]  # fmt: skip
        times = []
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
    note = f"the whole process, median of {RUNS}"
    return [Row("pushwright tags", median(times[1:]), "s", Target("at most", 0.3), note)]


def large_push() -> tuple[bytes, tuple[str, ...]]:
    """A push of 2,000 commits with a changed file each, and those files."""
    document = json.loads(SMALL)
    commit = document["head_commit"]
    paths = tuple(f"services/web/page{n}.html" for n in range(COMMITS))
    document["commits"] = [
        {**commit, "id": f"{n:040x}", "added": [], "removed": [], "modified": [path]}
        for n, path in enumerate(paths)
    ]
    return json.dumps(document).encode(), paths


def plans(_seconds: float) -> list[Row]:
    """From the bytes of a delivery to its plan, with a config of two images and path filters."""
    body, paths = large_push()
    config, now = CONFIG.format().encode(), datetime.now(UTC)
    times = []
    for _ in range(PLANS + 1):
        began = time.perf_counter()
        event = parse("push", body)
        decide_offline(
            Offline(HostKind.GITHUB, event, now, changed=paths, trusted=True, config=config)  # type: ignore[arg-type]  # a push of ours is never malformed
        )
        times.append((time.perf_counter() - began) * 1000)
    note = f"{len(body) / 1e6:.1f} MB, {COMMITS} changed paths, median of {PLANS}"
    what = f"parse + plan of {COMMITS} commits"
    return [Row(what, median(times[1:]), "ms", Target("at most", 20), note)]
