"""What `pushwright setup github` says: in the terminal, and on its page in the browser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core import centralkeys as keys
from bot.core.appmanifest import RegisteredApp, StateFault, WantedApp
from bot.core.forms import Key

AGAIN: Final = "run `pushwright setup github` again"


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """Absolute paths of what was written. `lines`: the source's lines of the central config."""

    private_key: str
    webhook_secret: str
    lines: str


@dataclass(frozen=True, slots=True)
class SourceWish:
    """A source of the central config as the command line gives it; None: the key is left out."""

    name: str
    reports: str
    url: str | None = None
    api_url: str | None = None
    ca_file: str | None = None
    proxy: str | None = None

    def lines(self, app_id: int, login: str, files: WrittenFiles) -> str:
        """The lines of the central config."""
        rows = [f"{keys.KIND.name}: github"]
        rows += self._optional((keys.URL, self.url), (keys.API_URL, self.api_url))
        rows += [
            f"{keys.APP_KEY_RECORD.name}:",
            f"  {keys.APP_ID.name}: {_quoted(str(app_id))}",
            f"  {keys.APP_KEY.name}: {_quoted(files.private_key)}",
            f"{keys.WEBHOOK_SECRETS.name}: [{_quoted(files.webhook_secret)}]",
            f"{keys.REPORTS.name}: {self.reports}",
            f"{keys.BOT_LOGIN.name}: {_quoted(login)}",
        ]
        rows += self._optional((keys.CA_FILE, self.ca_file), (keys.PROXY, self.proxy))
        inner = "".join(f"    {row}\n" for row in rows)
        return f"{keys.SOURCES.name}:\n  {self.name}:\n{inner}"

    @staticmethod
    def _optional(*rows: tuple[Key[str], str | None]) -> Sequence[str]:
        return [f"{key.name}: {_quoted(value)}" for key, value in rows if value is not None]

    def document(self, public_url: str) -> str:
        """The least central config that has this source, for its rules to be held against."""
        files = WrittenFiles("key", "secret", "lines")
        return (
            f"version: 1\npublic-url: {_quoted(public_url)}\n{self.lines(1, 'app[bot]', files)}"
            "repositories: [{match: '**', images: ['example.com/**']}]\n"
        )


def _quoted(value: str) -> str:
    # JSON's strings are YAML's: a path may hold anything.
    return json.dumps(value)


def invitation(app: WantedApp, address: str, minutes: float) -> Sequence[str]:
    """What to do while the command waits. `address` is the page on this machine."""
    who = f"an owner of {app.organization}" if app.organization else "the account that is to own it"
    port = address.rstrip("/").rpartition(":")[2]
    return (
        f"Sign in at {app.source.url} as {who}, then open",
        "",
        f"    {address}",
        "",
        "Browser on another machine? Run this there first, and open the same address:",
        f"    ssh -N -L {port}:127.0.0.1:{port} THIS-MACHINE",
        "",
        f"Waiting {minutes:.0f} minutes, Ctrl-C gives up. Nothing happens before you confirm it.",
    )


def done(app: RegisteredApp, files: WrittenFiles, lines: str) -> Sequence[str]:
    """What was written and what comes next; no secret is in it."""
    return (
        f"GitHub App {app.name} (id {app.id}) of {app.owner} is registered: {app.page}",
        "",
        "Written, for your eyes only:",
        f"    {files.private_key}",
        f"    {files.webhook_secret}",
        f"    {files.lines}  (the lines below)",
        "",
        "1. Add these lines to the central config:",
        "",
        *lines.splitlines(),
        "",
        f"2. Install the App where it is to build: {app.installation}",
        "3. Look whether all is well: pushwright doctor",
    )


def page_written(file: str, app: WantedApp) -> Sequence[str]:
    """After `--page`: the browser is somewhere else and can't come back to this machine."""
    return (
        f"{file} is written. Open it in a browser that is signed in at {app.source.url}.",
        "GitHub will send the browser to an address on 127.0.0.1 that shows nothing. Copy what",
        "stands in it behind code= and run within the hour, with the same other options:",
        "",
        "    pushwright setup github --code CODE",
    )


REFUSALS: Final[Mapping[StateFault, str]] = {
    StateFault.WRONG: "GitHub's answer does not belong to the page that this command shows. Begin "
    "again at the first page.",
    StateFault.USED: "This answer of GitHub's was used already. What became of it stands in the "
    "terminal.",
    StateFault.LATE: f"Too late: the command waits ten minutes. In the terminal, {AGAIN}; an App "
    "that you registered meanwhile can be deleted in its settings.",
}

NO_CODE: Final = (
    "GitHub sent you back without a code, so no App was registered. Begin again at the first page."
)
UNANSWERED: Final = (
    f"nobody came back from GitHub in time; nothing was written: {AGAIN}. If the browser did come "
    "back to an address that showed nothing, copy what stands there behind code= and add --code"
)
OUR_ERROR: Final = "An error of pushwright's own; the terminal has it whole."
CODE_REMAINS: Final = (
    "the code may be good for an hour: it stands in the browser's address behind code=, try again "
    "with --code CODE"
)
UNKNOWN_CODE: Final = (
    "GitHub does not know this code (any more): it is good for one hour and only once. Delete the "
    f"App in its settings if there is one, and {AGAIN}"
)


def lost(app_page: str, said: str) -> str:
    """The App is registered and its key could not be kept: GitHub shows it only once."""
    return (
        f"the App is registered ({app_page}), but {said}. GitHub tells a key only once: delete the "
        f"App in its settings under Advanced, mend this and {AGAIN}"
    )
