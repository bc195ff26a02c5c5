"""The commands of an administrator. They work on the database alone; the worker acts."""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.core.builds import BuildState
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central, rule_for
from bot.core.hints import INTERNAL, Hint
from bot.core.ids import BuildId, ImageKey, RepositoryId, SourceName
from bot.core.logtext import log_texts, plain
from bot.flow import incoming
from bot.records import BuildRow, RepositoryRow
from bot.settings import read_settings
from bot.storage import Store
from bot.store import open_store

_LINES = 1000
"""Of a log, read at once."""

_FOLLOW_SECONDS = 1.0

_SHOWN = 10
"""Repositories or builds that a message names."""


class Refused(Exception):
    """What was asked for can't be done; the text says why, and what could be."""


def build(options: argparse.Namespace) -> int:
    """Writes a delivery of our own that names the ref; the worker reads the ref from the host."""

    def ask(store: Store) -> str:
        source, repository = _repository(store, options.repository, options.source)
        only = tuple(ImageKey(image) for image in options.image)
        hint = Hint(source, repository, options.ref, only, again=True, by="the command line")
        delivery = f"build-{uuid.uuid4()}"
        store.put_deliveries([incoming(hint, delivery, time.time())])
        return f"asked for {hint.key} of {options.repository} as delivery {delivery}"

    return _with_store(ask)


def replay(options: argparse.Namespace) -> int:
    """Queues what was delivered once more; a delivery without its body can't be."""

    def again(store: Store) -> str:
        count = store.replay(options.delivery, time.time())
        if not count:
            raise Refused(
                f"no delivery whose body is still kept starts with {options.delivery!r}; "
                "the Git host's page of the webhook lists the ids of its deliveries"
            )
        return f"{count} queued again"

    return _with_store(again)


def deliveries(options: argparse.Namespace) -> int:
    """The newest, each with what became of it and the path of its page; those are listed nowhere
    else."""

    def show(store: Store) -> str:
        rows = store.deliveries(options.limit, options.state)
        if not rows:
            raise Refused("there is no such delivery: none came yet, or they expired")
        return "\n".join(map(_delivery_line, rows))

    return _with_store(show)


def _delivery_line(row: Mapping[str, object]) -> str:
    at = datetime.fromtimestamp(float(str(row["received_at"])), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    what = f"{row['source']} {row['event']} {row['delivery']}"
    page = f"  /deliveries/{row['page']}" if row.get("page") else ""
    return plain(f"{at}  {row['state']!s:9}  {what}: {row['reason'] or 'not handled yet'}{page}")


def cancel(options: argparse.Namespace) -> int:
    """Withdraws the build for all who wanted it."""

    def stop(store: Store) -> str:
        found = _build(store, options.build)
        text, now = "cancelled by the administrator", time.time()
        if not store.withdraw_build(found.id, BuildState.CANCELLED, text, now):
            raise Refused(f"build {found.id} of {found.image} has ended already: {found.state}")
        return f"cancelling {found.image} of {found.sha[:12]} (build {found.id})"

    return _with_store(stop)


def logs(options: argparse.Namespace) -> int:
    """The newest attempt's stored lines."""

    def show(store: Store) -> str:
        found = _build(store, options.build)
        if options.follow:
            _follow(store, found.id)
        elif not _print_log(store, found.id, found.attempt, 0):
            why = "none came yet, or they expired" if found.attempt else "it has not started"
            raise Refused(f"build {found.id} of {found.image} has no log lines: {why}")
        return ""

    return _with_store(show)


def _with_store(action: Callable[[Store], str]) -> int:
    """Runs it on the settings' database; prints what it answers, or why it refused."""
    store = open_store(read_settings().database_url)
    try:
        answer = action(store)
    except Refused as refused:
        for line in f"pushwright: {refused}".splitlines():
            print(plain(line), file=sys.stderr)
        return 1
    finally:
        store.close()
    for line in answer.splitlines():
        print(plain(line))
    return 0


# -- logs ----------------------------------------------------------------------------------


def _follow(store: Store, build_id: BuildId) -> None:
    """Until the build ends. Another attempt counts its lines from the beginning."""
    attempt, after = 0, 0
    while (found := store.build(build_id)) is not None:
        row = found[0]
        if row.attempt != attempt:
            attempt, after = row.attempt, 0
            if attempt > 1:
                print(f"== attempt {attempt}")
        after = _print_log(store, build_id, attempt, after)
        if row.state.final:
            return
        store.watch_log(build_id, time.time() + 60)
        sys.stdout.flush()
        time.sleep(_FOLLOW_SECONDS)


def _print_log(store: Store, build_id: BuildId, attempt: int, after: int) -> int:
    """Prints the lines above `after` and gives the number of the last one."""
    while lines := store.read_log(build_id, attempt, after, _LINES):
        for text in log_texts([line.text for line in lines]):
            print(text)
        after = lines[-1].n
    return after


# -- what was named ------------------------------------------------------------------------


def _repository(
    store: Store, path: str, source: str | None
) -> tuple[SourceName, RepositoryId | str]:
    """Its source, and its number where the store has seen it; else the path, which the worker looks
    up, if the central config lists it. Raises Refused."""
    everything = store.repositories()
    rows = [r for r in everything if r.repository.path == path and source in {None, r.source}]
    if len(rows) == 1:
        return rows[0].source, rows[0].repository.id
    if rows:
        names = ", ".join(sorted(row.source for row in rows))
        raise Refused(f"several sources have {path}: name one with --source ({names})")
    file = read_settings().config
    config = _central(file)
    if config is None:
        where = f"the central config {file} can't be used, see pushwright check-config"
        raise Refused(f"no repository {path!r}; {_known(everything)}; {where}")
    if source is not None and source not in config.sources:
        raise Refused(f"there is no source {source!r}; there are: {', '.join(config.sources)}")
    listed = listing_sources(config, path, source)
    if len(listed) == 1:
        return listed[0], path
    if listed:
        names = ", ".join(sorted(listed))
        raise Refused(f"several sources list {path}: name one with --source ({names})")
    raise Refused(f"no repository {path!r} in the central config; {_known(everything)}")


def listing_sources(config: CentralConfig, path: str, source: str | None) -> tuple[SourceName, ...]:
    """The sources under which the config has a rule for that repository."""
    return tuple(
        name
        for name in config.sources
        if source in {None, name}
        and name not in INTERNAL
        and rule_for(config, name, path) is not None
    )


def _central(file: Path) -> CentralConfig | None:
    try:
        found = parse_central(file.read_bytes(), str(file))
    except OSError:
        return None
    return found if isinstance(found, CentralConfig) else None


def _known(rows: Sequence[RepositoryRow]) -> str:
    paths = sorted({row.repository.path for row in rows})
    if not paths:
        return "none is known yet"
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"known: {', '.join(paths[:_SHOWN])}{more}"


def _build(store: Store, prefix: str) -> BuildRow:
    """The only build whose id starts so. Raises Refused."""
    found = store.find_builds(prefix, limit=_SHOWN + 1)
    if len(found) == 1:
        return found[0][0]
    if not found:
        raise Refused(f"no build starts with {prefix!r}; statuses on the Git host link to builds")
    lines = [
        f"  {row.id}  {owner.repository.path}  {row.image}  {row.sha[:12]}  {row.state}"
        for row, owner in found[:_SHOWN]
    ]
    raise Refused("\n".join([f"several builds start with {prefix!r}:", *lines]))
