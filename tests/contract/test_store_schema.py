"""Opening a database: its schema, its file, where it may lie, and what is refused with words."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from bot.ports import Permanent, Temporary
from bot.records import SchemaTooNew, SchemaTooOld
from bot.store import SqlStore, engines, migrate, open_store
from bot.store.mounts import file_system, refusal
from bot.store.schema import metadata
from bot.store.versions import REVISIONS
from tests.contract.databases import Address
from tests.fakes.postgres_process import PostgresProcess


def test_migrations_come_to_exactly_these_tables(store: SqlStore) -> None:
    def differences(tx: Connection) -> list[object]:
        # Alembic takes SQLite's empty default for another one: the next test compares those.
        options = {"compare_type": True, "compare_server_default": not store._database.sqlite}
        context = MigrationContext.configure(tx, opts=options)
        return list(compare_metadata(context, metadata))

    assert store._database.read(differences) == []


def test_migrated_columns_are_those_of_the_tables_on_sqlite(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/migrated.db")
    with sqlite3.connect(tmp_path / "migrated.db") as migrated:
        found = _columns(migrated)
    made = create_engine(f"sqlite:///{tmp_path}/made.db")
    metadata.create_all(made)
    made.dispose()
    with sqlite3.connect(tmp_path / "made.db") as direct:
        assert found == _columns(direct)
    migrated.close()
    direct.close()


def _columns(connection: sqlite3.Connection) -> dict[str, list[object]]:
    """Name, type, not null, default, key of each column; foreign keys and indexes."""
    names = sorted(table.name for table in metadata.sorted_tables)
    return {
        f"{name} {what}": sorted(row[1:] for row in connection.execute(f"PRAGMA {what}({name})"))
        for name in names
        for what in ("table_info", "foreign_key_list", "index_list")
    }


def test_the_known_revisions_are_the_scripts() -> None:
    folder = Path(engines.__file__).parent / "migrations"
    script = ScriptDirectory(str(folder))
    found = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_migrating_twice_and_at_once_is_harmless(
    tmp_path: Path, request: pytest.FixtureRequest, address: Address
) -> None:
    if address.kind == "sqlite":
        url = f"sqlite:///{tmp_path}/fresh.db"
    else:
        server: PostgresProcess = request.getfixturevalue("postgres")
        url = server.create_database()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(migrate(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [REVISIONS[-1]] * 4
    open_store(url).close()


def _set_revision(address: Address, revision: str | None) -> None:
    database = engines.connect(address.url, create=False)

    def write(tx: Connection) -> None:
        tx.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            tx.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": revision})

    database.write(write)
    database.close()


def test_a_newer_schema_is_refused(address: Address) -> None:
    _set_revision(address, "9999")
    with pytest.raises(SchemaTooNew, match=r"schema 9999, this release knows .* at most"):
        open_store(address.url)
    with pytest.raises(SchemaTooNew):
        migrate(address.url)


def test_an_empty_database_is_refused_with_what_to_do(address: Address) -> None:
    _set_revision(address, None)
    with pytest.raises(SchemaTooOld, match="run pushwright migrate"):
        open_store(address.url)


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="run pushwright migrate"):
        open_store(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("mysql://x/y", "use sqlite:///<file> or postgresql://"),
        ("what is this", "can't be read"),
        ("postgresql://bot@db:port/x", "PUSHWRIGHT_DATABASE_URL can't be read: its port"),
        ("postgresql://bot:s@se:cret@db/x", "an @ in a password is written %40"),
        ("postgresql://bot@127.0.0.1:1/x?ssl=on", 'PUSHWRIGHT_DATABASE_URL.*option "ssl"'),
    ],
)
def test_other_addresses_are_refused(url: str, words: str) -> None:
    with pytest.raises(Permanent, match=words) as refused:
        open_store(url)
    assert "cret" not in str(refused.value), "no part of a password is shown"


def test_a_folder_that_can_not_be_made_is_named() -> None:
    with pytest.raises(Permanent, match=r"/proc/none/x\.db can't be made"):
        open_store("sqlite:////proc/none/x.db", create=True)


def test_a_server_that_is_down_is_temporary() -> None:
    with pytest.raises(Temporary):
        open_store("postgresql://nobody@127.0.0.1:1/none")


def test_a_server_that_lies_about_commits_is_refused(postgres: PostgresProcess) -> None:
    url = postgres.create_database()
    with pytest.raises(Permanent, match="synchronous_commit = on"):
        open_store(f"{url}?options=-csynchronous_commit%3Doff", create=True)


def test_a_role_without_rights_is_told_so(postgres: PostgresProcess) -> None:
    """PostgreSQL 15 lets nobody but its owner create in the schema `public`."""
    url = postgres.create_database()
    owner = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with owner.begin() as tx:
        tx.execute(text("CREATE ROLE lowly LOGIN"))
    owner.dispose()
    lowly = url.replace("postgres@", "lowly@")
    with pytest.raises(Temporary, match="permission denied for schema public"):
        migrate(lowly)
    migrate(url)
    with pytest.raises(Temporary, match="refuses the bot's role"):
        open_store(lowly)


def test_a_server_that_is_gone_without_a_word_is_given_up(postgres: PostgresProcess) -> None:
    """By itself the kernel sends again for a quarter of an hour, and waits without end for an
    answer. What the administrator says counts."""
    url = postgres.create_database()
    open_store(url, create=True).close()

    def patience(tx: Connection) -> tuple[int, ...]:
        driver = tx.connection.driver_connection
        assert driver is not None
        names = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
        with socket.socket(fileno=os.dup(driver.fileno())) as link:
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            return tuple(link.getsockopt(socket.IPPROTO_TCP, name) for name in names)

    for query, expected in (("", (30_000, 15, 5)), ("?tcp_user_timeout=5000", (5_000, 15, 5))):
        store = open_store(url + query)
        assert store._database.read(patience) == expected
        store.close()


def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bot.db"
    store = open_store(f"sqlite:///{path}", create=True)
    store.check()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    store.close()
    assert modes == {"bot.db": 0o600, "bot.db-wal": 0o600, "bot.db-shm": 0o600}


def test_sqlite_is_set_up_to_keep_what_it_acknowledged(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/bot.db", create=True)

    def pragmas(tx: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "trusted_schema")
        return {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}

    expected = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "trusted_schema": 0,
    }
    assert store._database.read(pragmas) == expected
    assert store._database.write(pragmas) == expected
    store.close()


MOUNTS = """\
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 24 0:26 / /srv rw - nfs4 server:/export rw,vers=4.2
31 30 0:27 / /srv/local rw - xfs /dev/vdb rw
32 24 0:28 / /mnt/two\\040words rw - virtiofs share rw
33 24 0:29 / /over rw - ext4 /dev/vdc rw
34 33 0:30 / /over rw - 9p share rw
35 24 0:31 / /home/me/net rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/bot.db", "ext4"),
        ("/srv/bot.db", "nfs4"),
        ("/srvice/bot.db", "ext4"),
        ("/srv/local/bot.db", "xfs"),
        ("/mnt/two words/bot.db", "virtiofs"),
        ("/over/bot.db", "9p"),
        ("/home/me/net/a/b.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_known(path: str, expected: str) -> None:
    assert file_system(MOUNTS, path) == expected


def test_network_file_systems_are_refused_with_what_to_do(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert refusal(Path("/var/lib/bot.db"), table) is None
    why = refusal(Path("/srv/bot.db"), table)
    assert why is not None
    assert "nfs4" in why
    assert "PUSHWRIGHT_DATABASE_URL" in why
    assert refusal(Path("/srv/bot.db"), tmp_path / "none") is None


def test_opening_a_store_imports_no_migrations_and_no_orm(address: Address) -> None:
    """The web process opens one: it starts fast and stays small."""
    code = (
        "import sys; from bot.store import open_store; open_store(sys.argv[1]).close();"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('alembic', 'mako')"
        " or m == 'sqlalchemy.orm'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, address.url], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
