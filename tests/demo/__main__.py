"""`make demo`: six pushes to a sample repository, each shown from the event to its tags."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

from bot.core.ids import HostKind
from tests.demo import sample
from tests.demo.githost import SHOP
from tests.demo.leftovers import DemoRuns
from tests.demo.machine import Machine
from tests.demo.screen import Screen
from tests.demo.story import Event, events
from tests.demo.watch import Seen, Watch

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table at the end. fetched: bytes of layers that the registry sent."""

    title: str
    good: bool
    seconds: float
    hits: str
    fetched: int


def main() -> int:
    for number in ENDS:
        signal.signal(number, interrupt)
    screen = Screen()
    machine = Machine(HostKind(os.environ.get("HOST") or "github"), screen)
    stays = sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("EXIT")
    try:
        try:
            return play(machine, screen, stays=stays)
        finally:
            machine.close()
    except KeyboardInterrupt:
        print("demo: stopped, nothing stays behind", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has what it wanted; what is buffered must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except DemoRuns as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def play(machine: Machine, screen: Screen, *, stays: bool) -> int:
    screen.title("six pushes to a sample repository with two images, each followed to its tags")
    machine.open()
    seen = Seen()
    results = [run(machine, screen, event, seen) for event in events(machine)]
    finish(machine, screen, results)
    good = all(result.good for result in results)
    if stays:
        if machine.host.sign_in:
            machine.push(sample.first(machine.base), "Mend what the demo broke")
            told = f"{machine.host.url}/{SHOP} is whole again: edit services/web/index.html there"
            screen.line("look", f"{told} (sign in as {machine.host.sign_in})")
        screen.line("pages", f"they stay up at {machine.url} until Ctrl-C")
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0 if good else 1
    screen.line("pages", "they end with the demo; in a terminal and without EXIT=1 they stay up")
    return 0 if good else 1


def interrupt(_signal: int, _frame: object) -> None:
    """Only the first counts: make passes on a SIGTERM that came to both, and the second would cut
    off the cleaning up that the first began."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def run(machine: Machine, screen: Screen, event: Event, seen: Seen) -> Result:
    screen.title(event.title)
    machine.empty_daemon()
    before = machine.registry.traffic()
    began = time.monotonic()
    sha = event.push(machine)
    screen.line("push", f"git push of {sha[:12]}")
    if page := machine.host.page(sha):
        screen.line("look", page, "dim")
    watch = Watch(machine, screen, event, seen)
    watch.follow(sha)
    seconds = time.monotonic() - began
    fetched = (machine.registry.traffic() - before).bytes("GET", "blob")
    wrong = watch.wrong()
    for line in wrong:
        screen.line("wrong", line, "red")
    return Result(event.title, not wrong, seconds, watch.hits(), fetched)


def finish(machine: Machine, screen: Screen, results: list[Result]) -> None:
    screen.title("what it took")
    rows = [
        (
            result.title,
            "as expected" if result.good else "NOT AS EXPECTED",
            f"{result.seconds:.1f} s",
            result.hits or "-",
            f"{result.fetched / 1e6:.2f} MB",
        )
        for result in results
    ]
    screen.table(("push", "result", "time", "from cache", "fetched"), rows)
    if machine.own_daemon:
        told = "cache: registry (the daemon was emptied before each push)"
    else:
        told = "cache: local (the running docker keeps its own; nothing of it was pruned)"
    screen.title(told)


if __name__ == "__main__":
    sys.exit(main())
