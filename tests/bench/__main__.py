"""`make bench`: what pushwright does on this machine, as one table beside what it should do.

    python -m tests.bench [--only NAME]... [--seconds 5]

Nothing here passes or fails by its speed: the exit code is 0 when everything ran. What can't be
measured here has a row that says why. All traffic stays on loopback.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping

from tests.bench import builds, byhand, commands, talk, webhooks, yardstick
from tests.bench.table import Row, lines, machine

MEASURES: Mapping[str, Callable[[float], list[Row]]] = {
    "size": lambda _: webhooks.size(),
    "sqlite": webhooks.sqlite,
    "buildbot": yardstick.measure,
    "postgresql": webhooks.postgresql,
    "tags": commands.tags,
    "plan": commands.plans,
    "builds": builds.measure,
    "comments": talk.measure,
    "by-hand": byhand.measure,
}


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument(
        "--only", action="append", choices=sorted(MEASURES), help="one of them; may be repeated"
    )
    options.add_argument(
        "--seconds", type=float, default=5.0, help="length of each load (three for each database)"
    )
    chosen = options.parse_args()
    print(machine(), flush=True)
    rows: list[Row] = []
    broken = 0
    for name, measure in MEASURES.items():
        if chosen.only and name not in chosen.only:
            continue
        print(f"measuring: {name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            rows += measure(chosen.seconds)
        except Exception as error:  # noqa: BLE001  the table says so, the other rows are wanted too
            broken += 1
            said = str(error).strip().splitlines() or [type(error).__name__]
            rows.append(Row(name, None, "", note=f"broke: {said[0]}"))
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    ratio = ratio_row(rows)
    print("\n" + "\n".join(lines([*rows, *ratio])))
    return 1 if broken else 0


def ratio_row(rows: list[Row]) -> list[Row]:
    """Ours by the yardstick's, where both were measured in this run."""
    rates = {row.what: row.value for row in rows}
    ours, theirs = rates.get("SQLite: webhooks"), rates.get("Buildbot's GitHub hook")
    if not ours or not theirs:
        return []
    return [Row("SQLite by Buildbot", ours / theirs, "times", note="both of this run")]


if __name__ == "__main__":
    sys.exit(main())
