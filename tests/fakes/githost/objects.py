"""Git objects and refs as the files that they are: a process of git for each would cost a scenario
more than all else that its host does. git itself reads them, and serves them.

https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

Entries: TypeAlias = Mapping[bytes, tuple[bytes, str]]
"""By path: mode as in a tree, and id."""

FILE: Final = b"100644"
_FOLDER: Final = b"40000"


def written(repository: Path, kind: str, data: bytes) -> str:
    """The id of an object that is on disk from now on."""
    whole = f"{kind} {len(data)}\0".encode() + data
    oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    file = repository / "objects" / oid[:2] / oid[2:]
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            part.write(zlib.compress(whole, 1))
        Path(part.name).chmod(0o444)
        Path(part.name).replace(file)  # a reader sees all of it or nothing
    return oid


def tree(repository: Path, entries: Entries) -> str:
    """The id of the tree with these paths in it."""
    rows: list[tuple[bytes, bytes, str]] = []
    below: defaultdict[bytes, dict[bytes, tuple[bytes, str]]] = defaultdict(dict)
    for path, (mode, oid) in entries.items():
        name, slash, rest = path.partition(b"/")
        if slash:
            below[name][rest] = (mode, oid)
        else:
            rows.append((name, mode, oid))
    rows += [(name, _FOLDER, tree(repository, inner)) for name, inner in below.items()]
    rows.sort(key=lambda row: row[0] + b"/" * (row[1] == _FOLDER))
    lines = (mode + b" " + name + b"\0" + bytes.fromhex(oid) for name, mode, oid in rows)
    return written(repository, "tree", b"".join(lines))


def refs(repository: Path) -> dict[str, str]:
    """Every ref with the id that it names, in the order of their names."""
    found = _packed(repository / "packed-refs")
    for folder, _, names in os.walk(os.fsencode(repository / "refs")):
        for name in names:
            file = os.path.join(folder, name)  # noqa: PTH118 - a name need be no text
            if not name.endswith(b".lock") and (oid := _read(file)):
                found[os.fsdecode(os.path.relpath(file, os.fsencode(repository)))] = oid
    return dict(sorted(found.items()))


def _read(file: bytes) -> str:
    try:
        with open(file, "rb") as open_file:  # noqa: PTH123 - as above
            return open_file.read().decode().strip()
    except FileNotFoundError:  # deleted meanwhile
        return ""


def _packed(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    lines = (line.partition(b" ") for line in file.read_bytes().splitlines())
    return {os.fsdecode(name): oid.decode() for oid, _, name in lines if len(oid) in (40, 64)}
