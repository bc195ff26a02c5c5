"""A builder that does what its recipe's `stand_in` says: for ends that the real one can't be
brought to. Run as `python -I stand_in.py RECIPE.json`; standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main(path: str) -> None:
    recipe: dict[str, Any] = json.loads(Path(path).read_bytes())
    wanted: dict[str, Any] = recipe["stand_in"]
    folder = Path(recipe["result"]).parent
    count(folder.parent.parent / "counts", folder.name)
    if wanted.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if wanted.get("environment"):
        Path(folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    if wanted.get("child"):
        environment = {"HOME": f"{recipe['workdir']}/home", "PATH": os.environ["PATH"]}
        child = subprocess.Popen(
            ["sleep", "600"], env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        (folder / "child").write_text(str(child.pid))
    print(json.dumps({"n": 1, "t": 0, "k": "note", "x": "begun"}), flush=True)
    print(wanted.get("words", ""), file=sys.stderr, flush=True)
    until = wanted.get("until")
    while until is not None and not Path(until).exists():
        time.sleep(0.01)
    if "result" in wanted:
        Path(recipe["result"]).write_text(wanted["result"])


def count(folder: Path, name: str) -> None:
    """One file per run, named by it and alive as long: `NAME.PID`, with how many ran beside it."""
    folder.mkdir(exist_ok=True)
    beside = [p for p in folder.glob(f"{name}.*") if Path(f"/proc/{p.suffix[1:]}").exists()]
    (folder / f"{name}.{os.getpid()}").write_text(str(len(beside)))


if __name__ == "__main__":
    main(sys.argv[1])
