"""`make demo`: six pushes to a sample repository, each shown from the event to its tags."""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.core.ids import HostKind
from tests.demo import sample
from tests.demo.machine import Machine
from tests.demo.screen import Screen

WAIT = 120.0
FINAL = {"success", "failure", "error", "failed", "canceled"}


@dataclass(slots=True)
class Event:
    """One push. `expected`: image (or "" for the aggregate) to the state that it must come to;
    `tags`: references that must exist afterwards, without the registry."""

    title: str
    push: Callable[[Machine], str]
    expected: dict[str, str]
    tags: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    suffix: str = ""


@dataclass(slots=True)
class Result:
    title: str
    good: bool
    seconds: float
    texts: dict[str, str] = field(default_factory=dict)
    fetched: int = 0


def main() -> int:
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    kind = HostKind(os.environ.get("HOST") or "github")
    screen = Screen()
    stays = sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("EXIT")
    try:
        with Machine(kind, screen) as machine:
            results = [run(machine, screen, event) for event in events(machine)]
            finish(machine, screen, results)
            if stays:
                screen.line(f"the pages stay up at {machine.url} until Ctrl-C")
                signal.pause()
            return 0 if all(r.good for r in results) else 1
    except KeyboardInterrupt:
        screen.line("stopped; nothing stays behind")
        return 130
    except RuntimeError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def events(machine: Machine) -> list[Event]:
    ok = "success"
    failed = "failure" if machine.kind is HostKind.GITHUB else "failed"
    api = "services/api/"
    base = machine.base
    return [
        Event(
            "first push: two images, nothing cached",
            lambda m: m.push(dict(sample.first(base)), "First"),
            {"api": ok, "web": ok, "": ok},
            ("acme/shop/api:main", "acme/shop/web:main"),
        ),
        Event(
            "one line changed in api; web is not affected",
            lambda m: m.push({f"{api}app.txt": "hello, again\n"}, "Greet again"),
            {"api": ok, "": ok},
            ("acme/shop/api:main",),
            ("cache",),
        ),
        Event(
            "a file of a stage that the target does not use",
            lambda m: m.push({f"{api}dev.txt": "for developers only\n"}, "Notes"),
            {"api": ok, "": ok},
            (),
            ("cache",),
        ),
        Event(
            "tag v1.2.3: semver tags and latest move",
            lambda m: m.push_tag("v1.2.3"),
            {"api": ok, "": ok},
            ("acme/shop/api:1.2.3", "acme/shop/api:1.2", "acme/shop/api:latest"),
            suffix=" (tag)",
        ),
        Event(
            "a Dockerfile whose last step fails",
            lambda m: m.push({f"{api}Dockerfile": sample.BROKEN.format(base=base)}, "Break"),
            {"api": failed, "": failed},
            (),
            ("Dockerfile:6",),
        ),
        Event(
            "a config with mistakes",
            lambda m: m.push({".pushwright.yaml": sample.BROKEN_CONFIG}, "Typo"),
            {"": failed},
            (),
            (".pushwright.yaml:4",),
        ),
    ]


def run(machine: Machine, screen: Screen, event: Event) -> Result:
    screen.title(event.title)
    machine.empty_daemon()
    before = machine.registry.traffic()
    began = time.monotonic()
    sha = event.push(machine)
    screen.line(f"git push: {sha[:12]}")
    texts = follow(machine, screen, sha, event, began)
    seconds = time.monotonic() - began
    fetched = (machine.registry.traffic() - before).bytes("GET", "blob")
    good = judge(machine, screen, event, texts)
    shown = {key: text for key, (_, text) in texts.items()}
    return Result(event.title, good, seconds, shown, fetched)


def follow(
    machine: Machine, screen: Screen, sha: str, event: Event, began: float
) -> dict[str, tuple[str, str]]:
    """Print each status as it comes until those that the event expects are final."""
    seen: dict[str, tuple[str, str]] = {}
    known: dict[int, tuple[str, str]] = {}
    contexts = {
        f"pushwright{'/' + image if image else ''}{event.suffix}": image for image in event.expected
    }
    while time.monotonic() - began < WAIT:
        for status in machine.statuses(sha):
            now = (status.state, status.description or "")
            if known.get(status.id) == now:
                continue
            known[status.id] = now
            colour = {"success": "green", "pending": "blue", "running": "blue"}
            said = f"{status.context:<20} {status.state:<8} {status.description or ''}"
            screen.line(said, colour.get(status.state, "red"))
            if status.context in contexts:
                seen[contexts[status.context]] = now
            if status.state in FINAL and status.target_url and "/" in status.context:
                screen.line(f"{'':<20} {status.target_url}", "dim")
        if all(seen.get(image, ("",))[0] in FINAL for image in event.expected):
            break
        time.sleep(0.05)
    return seen


def judge(
    machine: Machine, screen: Screen, event: Event, texts: dict[str, tuple[str, str]]
) -> bool:
    wrong = [
        f"{image or 'pushwright'}: expected {state}, got {texts.get(image, ('nothing',))[0]}"
        for image, state in event.expected.items()
        if texts.get(image, ("",))[0] != state
    ]
    for reference in event.tags:
        digest = digest_of(machine.registry.host, reference)
        if digest is None:
            wrong.append(f"{reference} is not in the registry")
        else:
            screen.line(f"{reference} is {digest[:19]}…")
    said = " ".join(text for _, text in texts.values())
    wrong += [f"no status says {part!r}" for part in event.told if part not in said]
    for line in wrong:
        screen.line(line, "red")
    return not wrong


def digest_of(host: str, reference: str) -> str | None:
    name, _, tag = reference.rpartition(":")
    kinds = (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
    )
    request = urllib.request.Request(
        f"http://{host}/v2/{name}/manifests/{tag}",
        method="HEAD",
        headers={"Accept": ",".join(kinds)},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except OSError:
        return None


def finish(machine: Machine, screen: Screen, results: list[Result]) -> None:
    screen.title("what it took")
    rows = [
        (
            result.title,
            "as expected" if result.good else "NOT AS EXPECTED",
            f"{result.seconds:.1f} s",
            f"{result.fetched / 1e6:.2f} MB",
            " | ".join(f"{k or 'all'}: {v}" for k, v in sorted(result.texts.items()) if k)[:70],
        )
        for result in results
    ]
    screen.table(("push", "result", "time", "fetched", "status"), rows)
    if not machine.own_daemon:
        screen.line("cache: local (the running daemon keeps its own)")


if __name__ == "__main__":
    sys.exit(main())
