"""Writes what is generated from the key tables: `python -m tests.core.config_reference`."""

from __future__ import annotations

from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file
from tests.core.test_repofile_mistakes import GOLDEN


def main() -> None:
    for path in sorted(GOLDEN.glob("*.yaml")):
        found = parse_repo_file(path.read_bytes(), path.name)
        lines = ["no mistake"] if isinstance(found, RepoConfig) else [str(one) for one in found]
        path.with_suffix(".txt").write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
