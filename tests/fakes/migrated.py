"""Empty databases with the schema in them, copied: migrations take longer than most tests."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from weakref import WeakKeyDictionary

from bot.store import open_store
from tests.fakes.postgres_process import PostgresProcess


@functools.cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        open_store(f"sqlite:///{folder}/bot.db", create=True).close()
        return Path(folder, "bot.db").read_bytes()


def sqlite_file(folder: Path, name: str = "bot.db") -> str:
    """The URL of a new database in the folder."""
    file = folder / name
    file.write_bytes(_file())
    file.chmod(0o600)
    return f"sqlite:///{file}"


_TEMPLATES: WeakKeyDictionary[PostgresProcess, str] = WeakKeyDictionary()
"""By server: the name of the database that is copied."""


def postgres_database(server: PostgresProcess) -> str:
    """The URL of a new database of that server."""
    if server not in _TEMPLATES:
        url = server.create_database()
        open_store(url, create=True).close()
        _TEMPLATES[server] = url.rpartition("/")[2]
    return server.create_database(_TEMPLATES[server])
