"""`pushwright setup github`: an App with the least that the bot needs, its secrets in files."""

from __future__ import annotations

import argparse
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.clock import SystemClock
from bot.core.appmanifest import (
    NAME_LIMIT,
    STATE_SECONDS,
    OneTimeState,
    RegisteredApp,
    WantedApp,
    default_name,
    is_organization,
)
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.hookplan import webhook_url
from bot.core.ids import SourceName
from bot.core.mistakes import Mistake
from bot.core.reports_setup import (
    UNANSWERED,
    SourceWish,
    WrittenFiles,
    done,
    invitation,
    lost,
    page_written,
)
from bot.ports import Clock
from bot.secretfolder import SecretFolder
from bot.settings import SettingsMistake, read_settings

LOOPBACK: Final = "127.0.0.1"
_ADDRESSES: Final = frozenset({"public-url", "url", "api-url", "proxy"})


def github(options: argparse.Namespace) -> int:
    """0 once the App is registered and its secrets are on disk. Raises SettingsMistake and
    HostError."""
    wish = SourceWish(
        options.source,
        options.reports,
        options.url,
        options.api_url,
        options.ca_file,
        options.proxy,
    )
    app = wanted_app(wish, _public_url(options.public_url), options.name, options.org)
    if options.page is not None:
        _write_page(Path(options.page), app, options.port)
        return 0
    registrar = Registrar(app, wish, SecretFolder(Path(options.folder), options.overwrite))
    registrar.prepare()
    if options.code is not None:
        registered = registrar.finish(options.code)
    else:
        registered = through_browser(registrar, options.port, SystemClock())
    print("\n".join(done(registered, registrar.files, registrar.lines(registered))))
    return 0


def _public_url(given: str | None) -> str:
    """As given, else the central config's."""
    if given is not None:
        return given
    file = read_settings().config
    try:
        found = parse_central(file.read_bytes(), str(file))
    except OSError as error:
        text = f"--public-url is missing, and {file} can't be read: {error.strerror}"
        raise SettingsMistake(text) from error
    if not isinstance(found, CentralConfig):
        text = f"--public-url is missing, and {file} has mistakes: pushwright check-config {file}"
        raise SettingsMistake(text)
    return found.public_url


def wanted_app(
    wish: SourceWish, public_url: str, name: str | None, organization: str | None
) -> WantedApp:
    """Held against the rules of the central config. Raises SettingsMistake."""
    document = wish.document(public_url)
    found = parse_central(document.encode(), "the command line")
    if not isinstance(found, CentralConfig):
        raise SettingsMistake("; ".join(_said(one, document.splitlines()) for one in found))
    if organization is not None and not is_organization(organization):
        raise SettingsMistake(f"{organization!r} is no organization's name: it stands in its URL")
    name = name or default_name(organization)
    if len(name) > NAME_LIMIT:
        raise SettingsMistake(f"the App's name has {len(name)} characters, GitHub takes 34")
    source = found.sources[SourceName(wish.name)]
    return WantedApp(source, name, found.public_url, webhook_url(found, source), organization)


def _said(mistake: Mistake, document: Sequence[str]) -> str:
    """With the option that it is about: keys are called as options are."""
    key = document[mistake.line - 1].strip().partition(":")[0] if mistake.line else ""
    option = f"--{key}: " if key in _ADDRESSES else ""
    return f"{option}{mistake.message}" + (f" ({mistake.hint})" if mistake.hint else "")


@dataclass(frozen=True, slots=True)
class Registrar:
    """Turns a code into an App whose secrets are kept."""

    app: WantedApp
    wish: SourceWish
    folder: SecretFolder

    @property
    def files(self) -> WrittenFiles:
        at = self.folder.path.absolute()
        name = self.wish.name
        return WrittenFiles(
            str(at / f"{name}.private-key.pem"),
            str(at / f"{name}.webhook-secret"),
            str(at / f"{name}.source.yaml"),
        )

    def lines(self, app: RegisteredApp) -> str:
        return self.wish.lines(app.id, app.login, self.files)

    def prepare(self) -> None:
        """Before anything is registered. Raises SettingsMistake."""
        for path in self.folder.prepare([Path(one).name for one in self._texts("", "", "")]):
            print(f"{path} will be replaced")

    def finish(self, code: str) -> RegisteredApp:
        """Raises HostError, SettingsMistake."""
        from bot.hosts.github.client_manifest import registered_app

        app = registered_app(self.app.source, code)
        texts = self._texts(app.private_key, f"{app.webhook_secret}\n", self.lines(app))
        try:
            self.folder.write({Path(path).name: text for path, text in texts.items()})
        except OSError as error:
            said = f"{self.folder.path} can't be written: {error.strerror}"
            raise SettingsMistake(lost(app.page, said)) from error
        return app

    def _texts(self, key: str, secret: str, lines: str) -> Mapping[str, str]:
        files = self.files
        return {files.private_key: key, files.webhook_secret: secret, files.lines: lines}


def through_browser(
    registrar: Registrar, port: int, clock: Clock, seconds: float = STATE_SECONDS
) -> RegisteredApp:
    """Raises SettingsMistake where nobody comes back in time, and what `finish` raises."""
    from bot.web.setuppage import Reception, serve

    state = OneTimeState(secrets.token_urlsafe(32), clock.monotonic() + seconds)
    reception = Reception(registrar.app, state, registrar.finish, clock)
    with _listener(port) as listener:
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
        print("\n".join(invitation(registrar.app, address, seconds / 60)), flush=True)
        serve(reception, listener, seconds)
    if reception.error is not None:
        raise reception.error
    if reception.registered is None:
        raise SettingsMistake(UNANSWERED)
    return reception.registered


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        text = f"port {port} of {LOOPBACK} can't be had: {error.strerror}; choose another --port"
        raise SettingsMistake(text) from error


def _write_page(file: Path, app: WantedApp, port: int) -> None:
    from bot.web.setuppage import BACK, form_file

    # Nobody compares it: the code goes by hand from the browser into the terminal.
    text = form_file(app, secrets.token_urlsafe(32), f"http://{LOOPBACK}:{port}{BACK}")
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsMistake(f"{file} can't be written: {error.strerror}") from error
    print("\n".join(page_written(str(file), app)))
