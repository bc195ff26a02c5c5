"""The bot's own secrets are in none of the places where it writes: what it tells the host, its
database, its log, its pages; whatever goes well or wrong."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from bot.core.builds import OutcomeClass
from bot.web import pages
from bot.web.app import create_app
from bot.web.sources import ConfiguredSources
from tests.fakes.executor_memory import Fail
from tests.fakes.githost.faults import Fault
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, SECRET, World

LINK = re.compile(r"(?:builds|reports|deliveries)/[0-9a-f]{32}")


def written(world: World) -> Iterator[tuple[str, bytes]]:
    """Every place that the bot wrote to, and what stands there."""
    for record in world.host.records:
        yield f"{record.method} {record.path}", record.path.encode() + record.body
        yield f"{record.path}: query", repr(record.query).encode()
    for file in world.folder.glob("bot.db*"):
        yield file.name, file.read_bytes()
    for entry in world.store.entries(limit=1000):
        yield "journal", entry.text.encode()
    yield from pages_of(world)


def pages_of(world: World) -> Iterator[tuple[str, bytes]]:
    """All pages that the host was given links to, and those that they lead to."""
    sources = ConfiguredSources(lambda: world.central, world.clock.monotonic)
    blueprint = pages.blueprint(world.store, world.clock, lambda: world.central)
    browser = create_app(sources, world.store, world.clock, [blueprint]).test_client()
    left = [record.body.decode("utf-8", "replace") for record in world.host.records]
    seen: set[str] = set()
    while left:
        for path in set(LINK.findall(left.pop())) - seen:
            seen.add(path)
            for end in ("", ".json", "/log"):
                text = browser.get(f"/{path}{end}").get_data()
                left.append(text.decode())
                yield path + end, text


def busy(talk: Talk, world: World) -> None:
    """Builds that go well and wrong, comments, commands, and a host that fails in its ways."""
    allowing = FILES[".pushwright.yaml"] + "promote: {allow: [prod]}\ncomment: always\n"
    sha = world.push(FILES | {".pushwright.yaml": allowing})
    world.run()
    world.executor.next("api", Fail(OutcomeClass.STEP, "RUN make failed (exit 2)"))
    world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    for status, message in ((401, "Bad credentials"), (403, "Forbidden"), (500, "broken")):
        world.host.faults.add(Fault("answer", count=2, status=status, message=message))
        talk.say("/build api\n/status\n/why\n/logs api\n/help", request)
        world.run(600)
    talk.say("/promote api to prod", sha=sha, by="olga")
    talk.fork_request()
    world.push({".pushwright.yaml": "version: 7\n"}, "wrong")
    world.run()


def test_no_secret_is_written_anywhere(
    talk: Talk, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    token = (world.folder / "token").read_text()
    canaries = [token.encode(), SECRET.encode()]
    with caplog.at_level(logging.DEBUG):
        busy(talk, world)
    found = [*written(world), ("log", caplog.text.encode())]
    kinds = Counter(place.partition("/")[0] for place, _ in found)
    assert kinds["bot.db"] == 1
    assert min(kinds["builds"], kinds["reports"], kinds["deliveries"]) > 8, kinds
    for place, text in found:
        for canary in canaries:
            assert canary not in text, place
    held = [record for record in world.host.records if token in str(record.headers)]
    assert held, "the canary is the credential in use"
