"""A real Gitea on loopback as a child process; people, tokens and repositories on request.

Usable outside pytest::

    with GiteaProcess(Path("data"), needs.gitea()) as gitea:
        print(gitea.url)                            # http://127.0.0.1:41234
        ada = gitea.person("ada")
        gitea.api("GET", "/user", by=ada)

It has a folder, a database and a port of its own and ends with the thread that started it. Nothing
leaves the machine: no SSH, no mail, no avatars, webhooks to loopback only.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.cluster.programs import Component
from tests.fakes.loopback import free_port

ADMIN = "root"
PASSWORD = "a password of the tests"
_TOKEN = re.compile("[0-9a-f]{40}")
SECONDS = 60.0
"""The longest wait for an answer, seconds."""


class Refused(Exception):
    """Gitea answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account. `token` may do all that they may."""

    id: int
    login: str
    token: str


class GiteaProcess:
    """`start()` makes the database and the administrator; `stop()` ends it by its pid. `made`: the
    folder of `make gitea`. Its log is `<folder>/gitea.log`."""

    def __init__(self, folder: Path, made: Path, port: int = 0) -> None:
        self.folder = folder
        self.made = made
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.people: dict[str, Person] = {}
        self._internal = secrets.token_hex(32)
        self._ini = folder / "app.ini"
        self._web = Component(
            "gitea", [str(made / "gitea"), "--config", str(self._ini), "web"], folder, self._env()
        )
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment does not know our loopback

    def start(self) -> Self:
        """RuntimeError with the log's end where it does not come up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ini.write_text(_settings(self.folder, self.made, self.port, self._internal))
        self._ini.chmod(0o600)  # it holds secrets
        self._run("migrate")
        self._run(
            *("admin", "user", "create", "--admin", "--username", ADMIN, "--password", PASSWORD),
            *("--email", f"{ADMIN}@example.com", "--must-change-password=false"),
        )
        told = self._run(
            *("admin", "user", "generate-access-token", "--username", ADMIN, "--raw"),
            *("--token-name", "tests", "--scopes", "all"),
        )
        # It prints to the same place what it logs, before or after.
        token = next(word for word in told.split() if _TOKEN.fullmatch(word))
        self.people[ADMIN] = Person(1, ADMIN, token)
        self.resume()
        return self

    def resume(self) -> None:
        """The web process again, on the database that is there."""
        self._web.start()
        self._web.wait_until(self._answers, "it answered", SECONDS)

    def stop(self) -> None:
        """A second call does nothing."""
        self._web.stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Of the web process while it runs."""
        return self._web.pid

    def log_text(self) -> str:
        """All that the web process has printed."""
        return self._web.log_text()

    @property
    def admin(self) -> Person:
        return self.people[ADMIN]

    def person(self, login: str) -> Person:
        """Their account, made when first asked for."""
        if login not in self.people:
            named = {"username": login, "email": f"{login}@example.com", "password": PASSWORD}
            found = self.api("POST", "/admin/users", {**named, "must_change_password": False})
            self.people[login] = Person(found["id"], login, self.token(login, "all"))
        return self.people[login]

    def token(self, login: str, *scopes: str) -> str:
        """Another token of theirs, e.g. with the scopes `write:repository`, `read:user`."""
        asked = {"name": secrets.token_hex(4), "scopes": scopes}
        answer = self._session.post(
            f"{self.url}/api/v1/users/{login}/tokens",
            json=asked,
            auth=(login, PASSWORD),
            timeout=SECONDS,
        )
        return str(_read(answer)["sha1"])

    def api(self, method: str, path: str, body: object = None, *, by: Person | None = None) -> Any:
        """The answer's document, None where there is none; `by`: the administrator. `Refused` for
        every answer of 400 and above."""
        answer = self._session.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"token {(by or self.admin).token}"},
            timeout=SECONDS,
        )
        return _read(answer)

    def flush(self, rounds: int) -> None:
        """Every webhook is sent, as `gitea manager flush-queues` has it, which takes half a second.
        A second round where one queue fills another: what was pushed is taken note of first."""
        for _ in range(rounds):
            answer = self._session.post(
                f"{self.url}/api/internal/manager/flush-queues",
                json={"Timeout": int(SECONDS * 1e9), "NonBlocking": False},
                headers={"X-Gitea-Internal-Auth": f"Bearer {self._internal}"},
                timeout=SECONDS,
            )
            if not answer.ok:
                raise Refused(answer.status_code, answer.text[:500])

    def _answers(self) -> bool:
        try:
            health = self._session.get(f"{self.url}/api/healthz", timeout=5)
            return health.ok and bool(self.api("GET", "/user"))
        except (requests.RequestException, Refused):
            return False

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [str(self.made / "gitea"), "--config", str(self._ini), *words],
            env={"PATH": os.defpath, **self._env()},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            told = (done.stdout + done.stderr)[-2500:]
            raise RuntimeError(f"gitea {' '.join(words[:3])} failed:\n{told}")
        return done.stdout

    def _env(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "GITEA_WORK_DIR": str(self.folder)}


def _read(answer: requests.Response) -> Any:
    if not answer.ok:
        raise Refused(answer.status_code, answer.text[:500])
    return answer.json() if answer.content else None


def _settings(folder: Path, made: Path, port: int, internal: str) -> str:
    """app.ini. Webhooks go to loopback only, which Gitea forbids unless it is told. A database that
    is busy for longer than SQLITE_TIMEOUT (0.5 s by itself) is a 401 to whoever asks: every error
    while a token is looked up counts as a wrong one."""
    return f"""\
APP_NAME = A Gitea of the tests
RUN_MODE = prod
RUN_USER = {getpass.getuser()}
WORK_PATH = {folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true

[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {made}
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
SQLITE_JOURNAL_MODE = WAL
SQLITE_TIMEOUT = {int(SECONDS * 1000)}

[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
INTERNAL_TOKEN = {internal}
SECRET_KEY = {secrets.token_hex(32)}
SUCCESSFUL_TOKENS_CACHE_SIZE = 1000
PASSWORD_COMPLEXITY = off

[oauth2]
ENABLED = false

[service]
DISABLE_REGISTRATION = true

[webhook]
ALLOWED_HOST_LIST = loopback

[actions]
ENABLED = false

[packages]
ENABLED = false

[indexer]
ISSUE_INDEXER_TYPE = db

[queue]
TYPE = channel

[log]
MODE = console
LEVEL = info
"""
