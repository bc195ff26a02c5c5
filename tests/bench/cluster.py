"""`make bench-cluster`: builds in pods on a node of this machine, as one table beside its targets.

    python -m tests.bench.cluster [--only NAME]... [--rounds 5] [--dockerd 29]

Root only, and one node at a time on a machine. Nothing here passes or fails by its speed: the exit
code is 0 when everything ran. What can't be measured has a row that says why.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench import cluster_article, cluster_fleet, cluster_pushes
from tests.bench.cluster_builds import Run, Sizes, timings
from tests.bench.table import Row, lines, machine
from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.images import DIND20, DIND29

MEASURES: Mapping[str, Callable[[Run], list[Row]]] = {
    "pushes": cluster_pushes.measure,
    "article": cluster_article.measure,
    "fleet": cluster_fleet.measure,
}
DOCKERDS = {"29": DIND29, "20.10": DIND20}


def main() -> int:
    chosen = _options()
    print(f"{machine()}; dockerd {chosen.dockerd} in the build pods", flush=True)
    if os.geteuid() != 0:
        print("\n".join(lines([Row("cluster", None, "", note="a node needs root")])))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sizes = Sizes(chosen.rounds, chosen.pushes, chosen.idle, chosen.pods)
    rows: list[Row] = []
    broken = 0
    try:
        with _running(DOCKERDS[chosen.dockerd], sizes) as run:
            for name in chosen.only or MEASURES:
                broken += not _measured(name, run, rows)
            rows = [*timings(run.builds), *rows]
    except RuntimeError as error:
        broken += 1
        rows.append(_broke("cluster", error))
    print("\n" + "\n".join(lines(rows)))
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m tests.bench.cluster", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument(
        "--only", action="append", choices=list(MEASURES), help="one of them; may be repeated"
    )
    options.add_argument(
        "--rounds", type=int, default=5, help="builds of each way and scenario (5)"
    )
    options.add_argument("--pushes", type=int, default=12, help="pushes, one after another (12)")
    options.add_argument("--idle", type=float, default=60.0, help="seconds without a build (60)")
    options.add_argument("--pods", type=int, default=500, help="active pods of the fleet (500)")
    options.add_argument("--dockerd", choices=list(DOCKERDS), default="29", help="of all pods")
    return options.parse_args()


@contextmanager
def _running(dockerd: str, sizes: Sizes) -> Iterator[Run]:
    """The node and a bot beside it. Their logs stay where the bench itself breaks off."""
    folder = Path(tempfile.mkdtemp(prefix="pw-bench-", dir="/tmp"))
    ground = Ground(folder)
    ground.start()
    try:
        bot = Bot(ground, dockerd, folder / "bot")
        try:
            bot.start()
            yield Run(ground, bot, sizes)
        finally:
            bot.stop()
    finally:
        ground.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _measured(name: str, run: Run, rows: list[Row]) -> bool:
    print(f"measuring: {name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        rows += MEASURES[name](run)
    except Exception as error:  # noqa: BLE001  the table says so, the other rows are wanted too
        print(error, file=sys.stderr)
        rows.append(_broke(name, error))
        return False
    print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return True


def _broke(name: str, error: Exception) -> Row:
    said = str(error).strip().splitlines() or [type(error).__name__]
    return Row(name, None, "", note=f"broke: {said[0][:160]}")


if __name__ == "__main__":
    sys.exit(main())
