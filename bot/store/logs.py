"""Build logs as compressed chunks: of each attempt the first and the last 4 MiB."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, and_, delete, func, select, update

from bot.core.builds import LogLine
from bot.core.ids import BuildId
from bot.records import BuildRow, LeaseLost
from bot.store.rows import dump, load
from bot.store.schema import attempt, build, log_chunk, step
from bot.store.upserts import upsert

HEAD = 4 * 1024 * 1024
TAIL = 4 * 1024 * 1024
"""Bytes of text, before compression."""
CHUNK = 128 * 1024
LONGEST_LINE = 256 * 1024
MOST_STEPS = 2000
"""Step records kept of an attempt."""


def append(tx: Connection, row: BuildRow, lines: Sequence[LogLine]) -> int:
    """Needs no lease: the lines are the attempt's, whoever reads them, and are known by number."""
    this = and_(attempt.c.build_id == row.id, attempt.c.number == row.attempt)
    query = select(attempt.c.log_n, attempt.c.log_bytes).where(this).with_for_update()
    found = tx.execute(query).first()
    if found is None:
        raise LeaseLost(f"build {row.id} has no attempt {row.attempt} any more")
    stored: int = found.log_n
    total: int = found.log_bytes
    fresh = sorted({line.n: line for line in lines if line.n > stored}.values(), key=_number)
    if not fresh:
        return stored
    for chunk in _chunks(fresh):
        text = "\n".join(f"{line.n} {line.text}" for line in chunk)
        size = len(text)
        head = total < HEAD
        tx.execute(
            log_chunk.insert().values(
                build_id=row.id,
                attempt=row.attempt,
                first_n=chunk[0].n,
                last_n=chunk[-1].n,
                data=zlib.compress(text.encode()),
                size=size,
                head=head,
            )
        )
        total += size
    _keep_steps(tx, row, fresh)
    if total > HEAD + TAIL:
        _drop_middle(tx, row)
    tx.execute(update(attempt).where(this).values(log_n=fresh[-1].n, log_bytes=total))
    return fresh[-1].n


def _number(line: LogLine) -> int:
    return line.n


def _chunks(lines: Sequence[LogLine]) -> Iterator[list[LogLine]]:
    chunk: list[LogLine] = []
    size = 0
    for line in map(_bounded, lines):
        if chunk and size + len(line.text) > CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.text)
    yield chunk


def _bounded(line: LogLine) -> LogLine:
    """On one line, ASCII or not, and not without end."""
    text = line.text.replace("\n", " ").encode("utf-8", "replace").decode()
    if len(text) <= LONGEST_LINE:
        return LogLine(line.n, text)
    return note(line.n, f"a line of {len(text)} characters was left out")


def note(n: int, text: str) -> LogLine:
    return LogLine(n, json.dumps({"n": n, "k": "note", "x": text}))


def _drop_middle(tx: Connection, row: BuildRow) -> None:
    tail = and_(
        log_chunk.c.build_id == row.id,
        log_chunk.c.attempt == row.attempt,
        log_chunk.c.head.is_(False),
    )
    query = select(log_chunk.c.first_n, log_chunk.c.size).where(tail)
    kept = 0
    for chunk in tx.execute(query.order_by(log_chunk.c.first_n.desc())).all():
        kept += chunk.size
        if kept > TAIL:
            tx.execute(delete(log_chunk).where(tail, log_chunk.c.first_n <= chunk.first_n))
            return


def _keep_steps(tx: Connection, row: BuildRow, lines: Sequence[LogLine]) -> None:
    found = [(line.n, record) for line in lines if (record := _step(line.text)) is not None]
    if not found:
        return
    count = select(func.count()).select_from(step)
    have = tx.execute(
        count.where(step.c.build_id == row.id, step.c.attempt == row.attempt)
    ).scalar_one()
    key = {"build_id": row.id, "attempt": row.attempt}
    rows = [{**key, "position": n, "data": dump(record)} for n, record in found]
    rows = rows[: max(0, MOST_STEPS - have)]
    if rows:
        tx.execute(upsert(tx, step).on_conflict_do_nothing(), rows)


def _step(text: str) -> Mapping[str, object] | None:
    """The step record of a line, if it is one. The builder's output is advisory, and hostile."""
    if '"step"' not in text or len(text) > LONGEST_LINE:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("k") == "step" else None


def read(
    tx: Connection, build_id: BuildId, number: int | None, after: int, limit: int
) -> Sequence[LogLine]:
    """Lines above `after`, oldest first; a note stands where the middle was dropped."""
    if number is None:
        number = tx.execute(select(build.c.attempt).where(build.c.id == build_id)).scalar()
    query = (
        select(log_chunk.c.first_n, log_chunk.c.last_n, log_chunk.c.head, log_chunk.c.data)
        .where(
            log_chunk.c.build_id == build_id,
            log_chunk.c.attempt == number,
            log_chunk.c.last_n > after,
        )
        .order_by(log_chunk.c.first_n)
    )
    lines: list[LogLine] = []
    last = _last_of_head(tx, build_id, number)
    with tx.execute(query.execution_options(yield_per=4)) as chunks:
        for chunk in chunks:
            if last is not None and not chunk.head and chunk.first_n > last + 1 > after:
                lines.append(note(last + 1, f"lines {last + 1} to {chunk.first_n - 1} left out"))
            last = None if not chunk.head else last
            lines += [line for line in _lines(chunk.data) if line.n > after]
            if len(lines) >= limit:
                break
    return lines[:limit]


def tail(tx: Connection, build_id: BuildId, limit: int) -> Sequence[LogLine]:
    """The last lines of the newest attempt, oldest first."""
    number = select(build.c.attempt).where(build.c.id == build_id).scalar_subquery()
    query = (
        select(log_chunk.c.data)
        .where(log_chunk.c.build_id == build_id, log_chunk.c.attempt == number)
        .order_by(log_chunk.c.first_n.desc())
    )
    lines: list[LogLine] = []
    with tx.execute(query.execution_options(yield_per=4)) as chunks:
        for data in chunks.scalars():
            lines[:0] = _lines(data)
            if len(lines) >= limit:
                break
    return lines[-limit:] if limit > 0 else []


def _last_of_head(tx: Connection, build_id: BuildId, number: int | None) -> int | None:
    query = select(func.max(log_chunk.c.last_n)).where(
        log_chunk.c.build_id == build_id,
        log_chunk.c.attempt == number,
        log_chunk.c.head.is_(True),
    )
    return tx.execute(query).scalar()


def _lines(data: bytes) -> Iterator[LogLine]:
    for line in zlib.decompress(data).decode().split("\n"):
        n, _, text = line.partition(" ")
        yield LogLine(int(n), text)


def steps(tx: Connection, build_id: BuildId) -> Sequence[Mapping[str, object]]:
    """Of the newest attempt that told any."""
    newest = select(func.max(step.c.attempt)).where(step.c.build_id == build_id).scalar_subquery()
    query = select(step.c.data).where(step.c.build_id == build_id, step.c.attempt == newest)
    return [load(text) for text in tx.execute(query.order_by(step.c.position)).scalars()]


def watch(tx: Connection, build_id: BuildId, until: float) -> None:
    query = update(build).where(build.c.id == build_id, build.c.watched_until < until)
    tx.execute(query.values(watched_until=until))
