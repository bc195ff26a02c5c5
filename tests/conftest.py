"""What tests of several folders share; which of them need what is minutes in the making, and what a
run of all tests leaves out."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.docker.fixtures import base, git_server, registry, site, surroundings
from tests.gitea.process import GiteaProcess

__all__ = ["base", "git_server", "gitea", "registry", "site", "surroundings"]

HERE = Path(__file__).parent
LARGE = {
    "PUSHWRIGHT_GITEA": "tests on a real Gitea (make test-gitea)",
    "PUSHWRIGHT_CLUSTER": "tests on a Kubernetes node (make e2e)",
}
"""Tests that are collected only where the variable is 1."""


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaProcess]:
    """One for all tests of a process; each empties it, or takes repositories of its own."""
    with GiteaProcess(tmp_path_factory.mktemp("gitea") / "data", needs.gitea()) as running:
        yield running


def pytest_configure() -> None:
    """A shell that is not interactive starts what ends in & with SIGINT ignored, and so would be
    all that tests start and press Ctrl-C in."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m "cluster or gitea"` is what `make e2e` runs, wherever it stands."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        shares = any(mark.args == ("gitea",) for mark in item.iter_markers("xdist_group"))
        if folder in ("cluster", "gitea"):
            item.add_marker(folder)
        elif shares:
            item.add_marker("gitea")


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules are there to stay: looking through them for garbage again
    and again took a tenth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """A run of all tests names those that it did not collect."""
    everything = any(Path(word).resolve() == HERE for word in config.args)
    left = [what for name, what in LARGE.items() if os.environ.get(name) != "1"]
    if config.option.markexpr == "not long":
        left.insert(0, "load, repetition and the second daemon (make test-long)")
    if everything and left:
        terminalreporter.write_line(f"left out: {'; '.join(left)}")
