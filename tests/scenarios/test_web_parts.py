"""Parts of the web process that a request alone can't show: writer, secrets, patience."""

from __future__ import annotations

import base64
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask
from gunicorn.config import Config  # type: ignore[import-untyped]

from bot.core.centralconfig import CentralConfig, Source
from bot.core.ids import HostKind, SourceName
from bot.ports import Temporary
from bot.records import IncomingDelivery, SchemaTooOld
from bot.settings import SettingsMistake
from bot.web import pages
from bot.web.health import Readiness
from bot.web.inbox import BATCH_ROWS, InboxWriter, NotStored
from bot.web.secretfiles import SecretFiles, source_secrets
from bot.web.server import CROWDED_SECONDS, READ_SECONDS, SEND_SECONDS, Readings, _Connection
from bot.web.sources import ConfiguredSources
from bot.wsgi import Web


def delivery(name: str) -> IncomingDelivery:
    return IncomingDelivery(SourceName("s"), name, "push", "application/json", b"", 0, 0.0)


@dataclass
class Inbox:
    """Remembers its transactions; refuses deliveries named `poison`; can be held or away."""

    commits: list[list[str]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    away: bool = False
    asked: int = 0

    def put_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> None:
        self.entered.set()
        assert self.held.wait(20)
        self.asked += 1
        if self.away:
            raise Temporary("the database is away")
        if any(d.delivery == "poison" for d in deliveries):
            raise ValueError("the database can't hold this")
        self.commits.append([d.delivery for d in deliveries])

    def check(self) -> None:
        pass


class Hanging(Inbox):
    def check(self) -> None:
        self.entered.set()
        self.held.wait(60)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def gathered(inbox: Inbox, names: Sequence[str]) -> dict[int, Exception | None]:
    """Put all of these while a first commit is held, so that they wait together."""
    inbox.held.clear()
    writer = InboxWriter(inbox)
    writer.start()
    results: dict[int, Exception | None] = {}

    def put(number: int, name: str) -> None:
        try:
            writer.put(delivery(name), 20)
        except NotStored as error:
            results[number] = error
        else:
            results[number] = None

    first = threading.Thread(target=put, args=(-1, "first"))
    first.start()
    assert inbox.entered.wait(20)
    threads = [threading.Thread(target=put, args=one) for one in enumerate(names)]
    for thread in threads:
        thread.start()
    while writer.waiting() < len(names):
        time.sleep(0.001)
    inbox.held.set()
    for thread in (first, *threads):
        thread.join(20)
    assert writer.stop()
    return results


def test_deliveries_that_wait_share_a_commit() -> None:
    inbox = Inbox()
    results = gathered(inbox, [f"d{n}" for n in range(40)])
    assert set(results.values()) == {None}
    assert [len(commit) for commit in inbox.commits] == [1, 40]


def test_a_commit_has_an_end() -> None:
    inbox = Inbox()
    gathered(inbox, [f"d{n}" for n in range(BATCH_ROWS + 5)])
    assert [len(commit) for commit in inbox.commits] == [1, BATCH_ROWS, 5]


def test_equal_deliveries_are_put_once() -> None:
    inbox = Inbox()
    results = gathered(inbox, ["same"] * 10)
    assert set(results.values()) == {None}
    assert inbox.commits == [["first"], ["same"]]


def test_one_that_the_store_refuses_takes_no_other_with_it() -> None:
    inbox = Inbox()
    results = gathered(inbox, ["a", "poison", "b"])
    assert isinstance(results[1], NotStored)
    assert (results[0], results[2]) == (None, None)
    assert sorted(name for commit in inbox.commits for name in commit) == ["a", "b", "first"]


def test_an_absent_store_is_asked_once_for_all() -> None:
    inbox = Inbox(away=True)
    results = gathered(inbox, ["a", "b", "c"])
    assert all(isinstance(error, NotStored) for error in results.values())
    assert inbox.asked == 2


def test_a_request_does_not_wait_for_ever_and_is_not_written_later() -> None:
    inbox = Inbox()
    writer = InboxWriter(inbox)
    writer.start()
    first = threading.Thread(target=writer.put, args=(delivery("first"), 20))
    first.start()
    assert inbox.entered.wait(20)
    with pytest.raises(NotStored, match="no commit within"):
        writer.put(delivery("late"), 0.01)
    inbox.held.set()
    first.join(20)
    assert writer.stop()
    assert inbox.commits == [["first"]]


def test_a_writer_that_stands_still_is_not_healthy() -> None:
    clock = Clock()
    writer = InboxWriter(Inbox(), clock)
    assert not writer.healthy()
    with pytest.raises(NotStored):
        writer.put(delivery("early"))
    writer.start()
    assert writer.healthy()
    assert writer.stop()
    assert not writer.healthy()
    with pytest.raises(NotStored):
        writer.put(delivery("late"))


def test_who_asks_for_readiness_does_not_wait_for_a_store_that_hangs() -> None:
    """Each waits in a thread of the process, and they come every few seconds."""
    store = Hanging()
    readiness, said = Readiness(store, Clock()), list[bool]()
    threads = [threading.Thread(target=lambda: said.append(readiness.ready())) for _ in range(4)]
    threads[0].start()
    assert store.entered.wait(20)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join(20)
    assert said == [False] * 3
    store.held.set()
    threads[0].join(20)
    assert said == [False] * 3 + [True]


# -- secrets ---------------------------------------------------------------------------------------

GOOD = b"x" * 16


def files(clock: Clock, *paths: Path) -> SecretFiles:
    return source_secrets(SourceName("acme"), HostKind.GITHUB, paths, (), clock).secrets


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"short\n", "5 bytes long"), (None, "No such file")],
)
def test_a_source_with_a_bad_secret_does_not_start(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(GOOD)
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(SettingsMistake, match=words) as refused:
        files(Clock(), good, bad)
    assert "source acme" in str(refused.value)
    assert str(bad) in str(refused.value)


def test_a_store_that_lacks_a_migration_ends_the_process_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def make() -> Flask:
        raise SchemaTooOld("run pushwright migrate")

    with pytest.raises(SystemExit):
        Web(make, lambda: None).start()
    assert "can't start: run pushwright migrate" in caplog.text


def test_a_source_without_any_secret_does_not_start() -> None:
    with pytest.raises(SettingsMistake, match="anybody could send it events"):
        files(Clock())


def test_secrets_follow_their_files_and_keep_the_last_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, file = Clock(), tmp_path / "secret"
    file.write_bytes(GOOD)
    secrets = files(clock, file)

    def changed(change: Callable[[], object]) -> tuple[bytes, ...]:
        change()
        clock.now += 10
        return secrets.current()

    assert changed(lambda: file.write_bytes(b"y" * 20 + b"\n")) == (b"y" * 20,)
    assert changed(lambda: file.write_bytes(b"weak")) == (b"y" * 20,)
    assert changed(file.unlink) == (b"y" * 20,)
    complaints = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(complaints) == 2
    assert changed(lambda: None) == (b"y" * 20,)
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 2
    assert changed(lambda: file.write_bytes(b"z" * 16)) == (b"z" * 16,)
    assert not any("yyyy" in r.getMessage() or "zzzz" in r.getMessage() for r in caplog.records)


def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    """How Kubernetes changes a mounted Secret."""
    clock = Clock()
    for name, content in (("one", b"1" * 16), ("two", b"2" * 16)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_bytes(content)
    link = tmp_path / "data"
    link.symlink_to("one")
    secrets = files(clock, link / "secret")
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(link)
    clock.now += 10
    assert secrets.current() == (b"2" * 16,)


def source(name: str, *secret_files: Path) -> Source:
    url = "https://github.com"
    texts = tuple(str(file) for file in secret_files)
    return Source(SourceName(name), HostKind.GITHUB, url, url, webhook_secret_files=texts)


def central(*sources: Source) -> CentralConfig:
    return CentralConfig("https://bot.example", {s.name: s for s in sources}, ())


def test_sources_follow_the_central_config(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1" * 16)
    two.write_bytes(b"2" * 16)
    configs = [central(source("a", one))]
    sources = ConfiguredSources(lambda: configs[-1], Clock())

    def secrets(name: str) -> tuple[bytes, ...]:
        found = sources.get(SourceName(name))
        return found.secrets.current() if found else ()

    assert (secrets("a"), secrets("b")) == ((b"1" * 16,), ())
    configs.append(central(source("a", one), source("b", two)))
    assert (secrets("a"), secrets("b")) == ((b"1" * 16,), (b"2" * 16,))
    configs.append(central(source("a", tmp_path / "missing"), source("c", tmp_path / "missing")))
    assert (secrets("a"), secrets("b"), secrets("c")) == ((b"1" * 16,), (), ())
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 2


def test_a_signing_key_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"whsec_" + base64.b64encode(b"k" * 32) + b"\n")
    made = source_secrets(SourceName("lab"), HostKind.GITLAB, (), (file,), Clock())
    assert made.signing_keys.current() == (b"k" * 32,)


# -- patience --------------------------------------------------------------------------------------


def test_the_slow_are_cut_sooner_when_it_is_crowded() -> None:
    clock = Clock()
    readings = Readings(crowd=1, monotonic=clock)
    pairs = [socket.socketpair() for _ in range(2)]
    first = readings.begin(pairs[0][0])
    clock.now = CROWDED_SECONDS + 1
    assert readings.hurry() == 0
    second = readings.begin(pairs[1][0])
    assert readings.hurry() == 1
    assert pairs[0][0].recv(1) == b"", "the thread that reads sees an end"
    second.body_read()
    clock.now = READ_SECONDS + CROWDED_SECONDS + 2
    assert readings.hurry() == 0, "what was read, or cut, is not cut again"
    first.body_read()
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_client_that_does_not_read_its_answer_is_left() -> None:
    """On each request of a connection; sixteen such clients had all threads without end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = _Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
        for _ in range(2):
            ours.setblocking(True)  # as the worker does before each request
            connection.init()
            assert ours.gettimeout() == SEND_SECONDS


def test_the_style_sheet_fetches_nothing() -> None:
    css = (Path(pages.__file__).parent / "static" / "pushwright.css").read_text()
    assert "url(" not in css
    assert "@import" not in css
