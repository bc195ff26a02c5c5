"""A real PostgreSQL as a child process for tests: its own data folder, ended by its pid.

Usable outside pytest::

    with PostgresProcess(Path("/tmp/pg")) as server:
        url = server.create_database()      # postgresql://postgres@127.0.0.1:41235/t1
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.fakes.loopback import free_port

GET = "make deps (as root; Debian: apt-get install -y --no-install-recommends postgresql)"
FOLDERS = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")
PASSWORD = "not on loopback"
USERS = ("postgres", "nobody")
"""Whom the server runs as where we are root: it refuses to run as root."""


def find_program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs; Debian keeps them off PATH."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(FOLDERS))


def available() -> bool:
    return all(find_program(name) for name in ("initdb", "postgres"))


class PostgresProcess:
    """One server on 127.0.0.1 and on a unix socket in `folder`, which must have a short path and be
    reachable by an unprivileged user. Commits reach the disk (`fsync` stays on). `address`: another
    one of this machine, on whose network it answers whoever knows `PASSWORD`."""

    def __init__(self, folder: Path, address: str = "") -> None:
        self.folder = folder
        self.address = address
        self.data = folder / "data"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def start(self, timeout: float = 30.0) -> Self:
        """Initialise the data folder if it is new, start, wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, self._user())
        if not self.data.exists():
            self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync")
            if self.address:
                with (self.data / "pg_hba.conf").open("a") as rules:
                    rules.write("host all all samenet scram-sha-256\n")
        if self.port == 0:
            self.port = free_port()
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", *self._settings()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self._wait_until_ready(time.monotonic() + timeout)
        return self

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": ",".join(filter(None, ("127.0.0.1", self.address))),
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "max_connections": "100",
            "fsync": "on",
            "synchronous_commit": "on",
        }
        return ["-D", str(self.data)] + [f"-c{key}={value}" for key, value in settings.items()]

    def _user(self) -> str:
        import pwd

        names = {entry.pw_name for entry in pwd.getpwall()}
        return next(user for user in USERS if user in names)

    def _command(self, name: str, *arguments: str) -> list[str]:
        program = find_program(name)
        if program is None:
            raise RuntimeError(f"{name} is not installed: {GET}")
        if os.geteuid() != 0:
            return [program, *arguments]
        user = self._user()
        drop = ["setpriv", f"--reuid={user}", f"--regid={_group(user)}", "--clear-groups"]
        return [*drop, program, *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(name, *arguments), capture_output=True, text=True, check=False, cwd="/"
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed: {done.stderr[-800:]}")

    def _wait_until_ready(self, deadline: float) -> None:
        import psycopg

        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text("utf-8", "replace")
                    self.stop()
                    raise RuntimeError(f"postgres did not start: {log[-800:]}") from error
                time.sleep(0.05)
            else:
                return

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """A new database, empty or a copy of one that nobody uses; its URL."""
        import psycopg

        self._databases += 1
        name = f"t{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
            if self.address:
                connection.execute(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'".encode())
        return self.url(name)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast shutdown; SIGQUIT: immediate, as if it crashed. SIGKILL after 15 s."""
        if (process := self._process) is None:
            return
        self._process = None
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _group(user: str) -> str:
    import grp
    import pwd

    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
