"""The commands of an administrator. They work on the database alone; the worker acts."""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid

from bot.core.builds import BuildState
from bot.core.hints import Hint
from bot.core.ids import BuildId, ImageKey
from bot.intake import incoming
from bot.settings import read_settings
from bot.storage import BuildRow, RepositoryRow, Store
from bot.store import open_store


def build(options: argparse.Namespace) -> int:
    store = _store()
    try:
        row = _repository(store, options.repository, options.source)
        if row is None:
            return 1
        hint = Hint(
            row.source,
            row.repository.id,
            _key(options.ref),
            tuple(ImageKey(image) for image in options.image),
            again=True,
            by="the command line",
        )
        delivery = f"build-{uuid.uuid4()}"
        store.put_deliveries([incoming(hint, delivery, time.time())])
        print(f"asked for {hint.key} of {row.repository.path} as delivery {delivery}")
        return 0
    finally:
        store.close()


def replay(options: argparse.Namespace) -> int:
    store = _store()
    try:
        count = store.replay(options.delivery, time.time())
        if not count:
            return _no(f"no delivery starts with {options.delivery!r}")
        print(f"{count} queued again")
        return 0
    finally:
        store.close()


def cancel(options: argparse.Namespace) -> int:
    store = _store()
    try:
        found = _build(store, options.build)
        if found is None:
            return 1
        if not store.withdraw_build(
            found.id, BuildState.CANCELLED, "cancelled by the administrator", time.time()
        ):
            return _no(f"build {found.id} has ended already: {found.state}")
        print(f"cancelling {found.image} of {found.sha[:12]}")
        return 0
    finally:
        store.close()


def logs(options: argparse.Namespace) -> int:
    store = _store()
    try:
        found = _build(store, options.build)
        if found is None:
            return 1
        after = _print_log(store, found.id, 0)
        while options.follow and not _ended(store, found.id):
            store.watch_log(found.id, time.time() + 60)
            time.sleep(1.0)
            after = _print_log(store, found.id, after)
        _print_log(store, found.id, after)
        return 0
    finally:
        store.close()


def _print_log(store: Store, build_id: BuildId, after: int) -> int:
    while lines := store.read_log(build_id, None, after, 1000):
        for line in lines:
            text = readable(line.text)
            if text:
                print(text)
        after = lines[-1].n
    return after


def readable(record: str) -> str:
    """One record of a builder as a line for a terminal; control characters are shown, not sent."""
    try:
        document = json.loads(record)
    except ValueError:
        return ""
    kind = document.get("k")
    if kind in {"log", "note"}:
        text = str(document.get("x", ""))
    elif kind == "phase" and document.get("state") == "start":
        text = f"== {document.get('name')}"
    else:
        return ""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def _ended(store: Store, build_id: BuildId) -> bool:
    found = store.build(build_id)
    return found is None or found[0].state.final


def _store() -> Store:
    return open_store(read_settings().database_url)


def _repository(store: Store, path: str, source: str | None) -> RepositoryRow | None:
    rows = [
        row
        for row in store.repositories()
        if row.repository.path == path and source in {None, row.source}
    ]
    if len(rows) == 1:
        return rows[0]
    if rows:
        _no(f"several sources have {path}: name one with --source")
    else:
        known = ", ".join(sorted(row.repository.path for row in store.repositories())[:10])
        _no(f"no repository {path!r}; known: {known or 'none yet'}")
    return None


def _build(store: Store, prefix: str) -> BuildRow | None:
    found = store.find_builds(prefix, limit=2)
    if len(found) == 1:
        return found[0][0]
    _no(f"{'several builds start' if found else 'no build starts'} with {prefix!r}")
    return None


def _key(ref: str) -> str:
    return ref if ref.startswith(("refs/", "request/")) else f"refs/heads/{ref}"


def _no(text: str) -> int:
    print(f"pushwright: {text}", file=sys.stderr)
    return 1
