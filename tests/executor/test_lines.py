"""Reading the log file from a sequence number on, whatever is in it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bot.executors.docker.lines import LogReader
from bot.executors.loglines import parse_line


def record(n: int, text: str = "x") -> bytes:
    return json.dumps({"n": n, "k": "log", "x": text}).encode() + b"\n"


def numbers(reader: LogReader, path: Path, after: int, limit: int = 1000) -> list[int]:
    return [line.n for line in reader.read("b-1", path, after, limit)]


def test_a_line_is_read_once_its_end_is_there(tmp_path: Path) -> None:
    path, reader = tmp_path / "log", LogReader()
    assert numbers(reader, path, 0) == []
    path.write_bytes(record(1) + record(2)[:7])
    assert numbers(reader, path, 0) == [1]
    assert numbers(reader, path, 1) == []
    path.write_bytes(record(1) + record(2))
    assert numbers(reader, path, 1) == [2]
    assert numbers(reader, path, 2) == []


def test_any_number_can_be_asked_for_again(tmp_path: Path) -> None:
    path, reader = tmp_path / "log", LogReader()
    path.write_bytes(b"".join(record(n) for n in range(1, 101)))
    assert numbers(reader, path, 0, 30) == list(range(1, 31))
    assert numbers(reader, path, 30, 30) == list(range(31, 61))
    assert numbers(reader, path, 10, 5) == [11, 12, 13, 14, 15]
    assert numbers(LogReader(), path, 98) == [99, 100]
    assert numbers(reader, path, 100) == []


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    garbage = [
        b"\n",
        b"Killed\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b"{}\n",
        b'{"n": "2"}\n',
        b'{"n": true}\n',
        b'{"n": -1}\n',
        b'{"n": 1.5}\n',
        b'{"n": Infinity}\n',
        b'{"n": 1' + b"0" * 400 + b"}\n",
        b"[" * 50_000 + b"\n",
        b"\x00" * 512 + b"\n",
    ]
    for line in garbage:
        assert parse_line(line) is None
    path.write_bytes(record(1) + b"".join(garbage) + record(2))
    assert numbers(LogReader(), path, 0) == [1, 2]


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_a_line_without_end_hides_nothing_behind_it(tmp_path: Path, size: int) -> None:
    path, reader = tmp_path / "log", LogReader()
    path.write_bytes(record(1) + b"x" * size)
    assert numbers(reader, path, 0) == [1]
    with path.open("ab") as file:
        file.write(b"x\n" + record(2))
    assert numbers(reader, path, 1) == [2]


def test_long_lines_come_in_portions(tmp_path: Path) -> None:
    path, reader = tmp_path / "log", LogReader()
    path.write_bytes(b"".join(record(n, "x" * 900_000) for n in range(1, 31)))
    first = numbers(reader, path, 0)
    assert 1 <= len(first) < 30
    rest = first
    while more := numbers(reader, path, rest[-1]):
        rest = rest + more
    assert rest == list(range(1, 31))


def test_a_log_that_begins_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path, reader = tmp_path / "log", LogReader()
    path.write_bytes(record(1, "long" * 100))
    assert numbers(reader, path, 0) == [1]
    path.write_bytes(record(1) + record(2))
    assert numbers(reader, path, 1) == [2]


def test_any_way_of_writing_reads_the_same(tmp_path: Path) -> None:
    chance = random.Random(7)
    path, reader, seen = tmp_path / "log", LogReader(), list[int]()
    data = b"".join(record(n, "ü" * chance.randrange(200)) for n in range(1, 200))
    with path.open("wb", buffering=0) as file:
        while data:
            size = chance.randrange(1, 400)
            file.write(data[:size])
            data = data[size:]
            after = seen[-1] if seen else 0
            seen += numbers(reader, path, after, chance.randrange(1, 5))
    while more := numbers(reader, path, seen[-1]):
        seen += more
    assert seen == list(range(1, 200))
