"""``python -I -m bot.builder.trial RECIPE.json``: a build of two files that are made here instead
of fetched. `pushwright doctor --deep` runs it in real build pods, to see that their cache hits."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.builder.__main__ import main
from bot.builder.run import Run

DOCKERFILE = """\
FROM scratch
COPY one /one
COPY two /two
"""
STEPS = 2


class Trial(Run):
    """Needs no repository and no base image; equal in every pod, so that every step can hit."""

    def _fetched(self) -> Path:
        folder = self._recipe.workdir / "trial"
        folder.mkdir()
        (folder / "Dockerfile").write_text(DOCKERFILE)
        for name in ("one", "two"):
            (folder / name).write_text(f"{name}\n" * 1000)
        return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Trial))
