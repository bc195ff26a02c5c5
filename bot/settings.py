"""The environment: addresses, paths and the database. All else is in the central config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit


class SettingsMistake(Exception):
    """A setting that can't be used; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: for `docs/settings.md`, which a test holds against this table."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting("PUSHWRIGHT_CONFIG", "/etc/pushwright/pushwright.yaml", "path of the central config"),
    Setting(
        "PUSHWRIGHT_STATE", "/var/lib/pushwright", "folder of the SQLite database and of attempts"
    ),
    Setting(
        "PUSHWRIGHT_DATABASE_URL",
        "sqlite in PUSHWRIGHT_STATE",
        "`sqlite:///path` or `postgresql+psycopg://user@host/name`",
    ),
    Setting(
        "PUSHWRIGHT_DATABASE_PASSWORD_FILE", "none", "file with the database's password, if any"
    ),
    Setting("PUSHWRIGHT_LISTEN", "127.0.0.1:8080", "address of the web process"),
    Setting("PUSHWRIGHT_WEB_THREADS", "16", "threads of a web worker"),
    Setting(
        "PUSHWRIGHT_HEARTBEAT_FILE",
        "none",
        "file that the worker touches every second while its loops go round, for liveness probes",
    ),
    Setting("PUSHWRIGHT_LOG_LEVEL", "info", "debug, info, warning or error"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    config: Path
    state: Path
    database_url: str
    listen: str
    web_threads: int
    log_level: str
    heartbeat: Path | None = None

    @property
    def attempts(self) -> Path:
        """Where the docker executor keeps a folder for each attempt."""
        return self.state / "attempts"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises SettingsMistake."""
    defaults = {s.name: s.default for s in SETTINGS}

    def value(name: str) -> str:
        return environment.get(name) or defaults[name]

    state = Path(value("PUSHWRIGHT_STATE"))
    url = environment.get("PUSHWRIGHT_DATABASE_URL") or f"sqlite:///{state / 'pushwright.db'}"
    if not url.startswith(("sqlite:///", "postgresql+psycopg://", "postgresql://")):
        raise SettingsMistake(
            "PUSHWRIGHT_DATABASE_URL must start with sqlite:/// or postgresql+psycopg://"
        )
    threads = value("PUSHWRIGHT_WEB_THREADS")
    if not _is_number(threads) or not 1 <= int(threads) <= 256:
        raise SettingsMistake(f"PUSHWRIGHT_WEB_THREADS must be 1 to 256, not {threads!r}")
    level = value("PUSHWRIGHT_LOG_LEVEL")
    if level not in {"debug", "info", "warning", "error"}:
        raise SettingsMistake(
            f"PUSHWRIGHT_LOG_LEVEL must be debug, info, warning or error, not {level!r}"
        )
    listen = value("PUSHWRIGHT_LISTEN")
    if not _is_place(listen):
        raise SettingsMistake(f"PUSHWRIGHT_LISTEN must be host:port, not {listen!r}")
    return Settings(
        config=Path(value("PUSHWRIGHT_CONFIG")),
        state=state,
        database_url=_with_password(url, environment.get("PUSHWRIGHT_DATABASE_PASSWORD_FILE")),
        listen=listen,
        web_threads=int(threads),
        log_level=level,
        heartbeat=Path(beat) if (beat := environment.get("PUSHWRIGHT_HEARTBEAT_FILE")) else None,
    )


def _is_place(listen: str) -> bool:
    """`host:port`, or gunicorn's `unix:/path`."""
    _, colon, port = listen.rpartition(":")
    return listen.startswith("unix:") or bool(colon and _is_number(port) and int(port) <= 65535)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _with_password(url: str, file: str | None) -> str:
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    if not file or url.startswith("sqlite:"):
        return url
    try:
        password = Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise SettingsMistake(
            f"PUSHWRIGHT_DATABASE_PASSWORD_FILE: {file} can't be read: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsMistake(
            f"PUSHWRIGHT_DATABASE_PASSWORD_FILE: {file} is no UTF-8 text"
        ) from error
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingsMistake(f"PUSHWRIGHT_DATABASE_URL can't be read: {error}") from error
    person, at, place = parts.netloc.rpartition("@")
    if not at:
        raise SettingsMistake("PUSHWRIGHT_DATABASE_URL names no user for the password in the file")
    name = person.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{place}"))
