"""This machine: the config, its files and secrets, the database, and the address of the pages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bot.configfile import credential_files, missing_files
from bot.core import signatures
from bot.core.centralconfig import CentralConfig, Source
from bot.core.findings import About, Finding
from bot.doctor.checks import Check
from bot.ports import HostError
from bot.records import SchemaTooNew, SchemaTooOld
from bot.settings import Settings
from bot.store import open_store
from bot.store.mounts import file_system
from bot.store.versions import HEAD

LITTLE, TOO_LITTLE = 2 * 10**9, 200 * 10**6
"""Bytes that are left on the disk of `PUSHWRIGHT_STATE`."""

_HTTP_SECONDS = (5.0, 10.0)
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def checks(settings: Settings, config: CentralConfig) -> Iterator[Check]:
    yield Check(About("machine", "files"), lambda: files(config))
    yield Check(About("machine", "webhook secrets"), lambda: secrets(config))
    yield Check(About("machine", "git"), git)
    yield Check(About("machine", "disk"), lambda: disk(settings.state))
    yield Check(About("database", "schema"), lambda: database(settings.database_url))
    yield Check(About("web", "public-url"), lambda: public_url(config.public_url))


def files(config: CentralConfig) -> Iterator[Finding]:
    """Every file that the worker reads can be read by this user."""
    about = About("machine", "files")
    missing = missing_files(config, credential_files)
    for path, what, why in missing:
        yield about.fail(f"the file of {what} can't be read: {path}: {why}", "put it there")
    if not missing:
        yield about.ok("all that the worker reads can be read")


def secrets(config: CentralConfig) -> Iterator[Finding]:
    """None of them can be guessed."""
    for source in config.sources.values():
        yield from _secrets(source)


def _secrets(source: Source) -> Iterator[Finding]:
    about = About(source.name, "webhook secrets")
    named = [(path, signatures.secret) for path in source.webhook_secret_files]
    named += [(path, signatures.signing_key) for path in source.signing_key_files]
    wrong = 0
    for path, understand in named:
        try:
            understand(Path(path).read_bytes())
        except OSError as error:
            wrong += 1
            yield _unread(about, path, error)
        except signatures.WeakSecret as weak:
            wrong += 1
            yield about.fail(f"{path} {weak}", "make one with: openssl rand -hex 32")
    if not wrong:
        yield about.ok(f"{len(named)} readable and long enough")


def _unread(about: About, path: str, error: OSError) -> Finding:
    """The chart mounts webhook secrets into the web process alone."""
    if isinstance(error, FileNotFoundError) and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return about.unknown(f"{path} is not mounted here; only the web process reads it")
    text = f"{path} can't be read: {error.strerror or error}"
    return about.fail(text, "put it there; make one with: openssl rand -hex 32")


def git() -> Iterator[Finding]:
    """Refs are listed with it."""
    about = About("machine", "git")
    remedy = "install git where the worker runs (apt-get install git)"
    program = shutil.which("git")
    if program is None:
        yield about.fail("git is not on PATH", remedy)
        return
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        yield about.fail(f"{program} does not run: {type(error).__name__}", remedy)
        return
    yield about.ok(done.stdout.decode(errors="replace").strip()[:80])


def disk(state: Path) -> Iterator[Finding]:
    about = About("machine", "disk")
    if not state.is_dir():
        remedy = "make it, writable for the bot's user, or set PUSHWRIGHT_STATE"
        yield about.fail(f"the folder {state} does not exist", remedy)
        return
    left, kind = shutil.disk_usage(state).free, _kind(state)
    text = f"{left / 1e9:.1f} GB left in {state}{f' ({kind})' if kind else ''}"
    if left < TOO_LITTLE:
        yield about.fail(text, "free some, or put PUSHWRIGHT_STATE on a larger disk")
    elif left < LITTLE:
        yield about.warn(text, "free some: builds and logs are kept here")
    else:
        yield about.ok(text)


def _kind(path: Path) -> str | None:
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    return file_system(table, str(path.resolve()))


def database(url: str) -> Iterator[Finding]:
    """It opens, is no SQLite on a network file system, and has this release's schema."""
    about = About("database", "schema")
    try:
        store = open_store(url)
    except (SchemaTooOld, SchemaTooNew) as error:
        yield about.fail(str(error), "run `pushwright migrate`, or the release that it names")
        return
    except HostError as error:
        yield about.fail(str(error), "see docs/storage.md")
        return
    store.close()
    yield about.ok(f"{place(url)}, schema {HEAD}")


def place(url: str) -> str:
    """Where the database is, without its password."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return f"SQLite {parts.path.removeprefix('/')}"
    return f"PostgreSQL {parts.hostname or 'by its socket'}{parts.path}"


def public_url(url: str) -> Iterator[Finding]:
    """What Git hosts and people use. Asked from here, which is not where they are."""
    about = About("web", "public-url")
    if (urlsplit(url).hostname or "") in _HERE:
        text = (
            f"{url} is this machine alone: statuses link there, and no Git host elsewhere gets in"
        )
        yield about.warn(text, "set `public-url` to the address that Git hosts and people use")
    elif url.startswith("http://"):
        text = f"{url} is plain HTTP: secrets of GitLab's webhooks and links travel unprotected"
        yield about.warn(text, "put a proxy with TLS before the web process")
    target = f"{url.rstrip('/')}/healthz"
    try:
        answer = requests.get(target, timeout=_HTTP_SECONDS, allow_redirects=False, stream=True)
        code = answer.status_code
        answer.close()
    except (requests.RequestException, ValueError, OSError) as error:
        text = f"{target} does not answer from here ({type(error).__name__})"
        yield about.warn(text, "start the web process, and see that Git hosts reach this address")
        return
    if code == 200:
        yield about.ok(f"{target} answers")
    else:
        remedy = "see that `public-url` leads to the web process, and that it runs"
        yield about.warn(f"{target} answers {code}, not 200", remedy)
