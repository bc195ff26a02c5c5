"""The recorded deliveries of all hosts and what each of them means.

`<host>/<event>.<case>.json` is a body as the host sends it, `….event.json` beside it what the
codec must make of it. After a wanted change, and with a look at the difference:

    python -m tests.payloads.catalogue
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.core.events import Parsed
from bot.core.ids import HostKind
from bot.hosts.gitea import codec as gitea
from bot.hosts.github import codec as github
from bot.hosts.gitlab import codec as gitlab

HERE = Path(__file__).parent

PARSERS: dict[HostKind, Callable[[str, bytes], Parsed]] = {
    HostKind.GITHUB: github.parse,
    HostKind.GITLAB: gitlab.parse,
    HostKind.GITEA: gitea.parse,
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One delivery: its host, the value of its event header, and the file of its body."""

    host: HostKind
    event: str
    file: Path

    @property
    def name(self) -> str:
        return f"{self.host.value}/{self.file.stem}"

    @property
    def golden(self) -> Path:
        return self.file.with_suffix(".event.json")

    def body(self) -> bytes:
        return self.file.read_bytes()

    def parse(self) -> Parsed:
        return PARSERS[self.host](self.event, self.body())


def recorded() -> Iterator[Recorded]:
    for host in HostKind:
        for file in sorted((HERE / host.value).glob("*.json")):
            if not file.name.endswith(".event.json"):
                yield Recorded(host, _header(host, file.name.partition(".")[0]), file)


def _header(host: HostKind, word: str) -> str:
    """`merge_request_hook` is the `Merge Request Hook` of GitLab; GitHub's words stay."""
    return word.replace("_", " ").title() if host is HostKind.GITLAB else word


def golden_text(parsed: Parsed) -> str:
    document = {"kind": type(parsed).__name__, **asdict(parsed)}
    return json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n"


def main() -> None:
    for delivery in recorded():
        text = golden_text(delivery.parse())
        if not delivery.golden.exists() or delivery.golden.read_text("utf-8") != text:
            delivery.golden.write_text(text, "utf-8")
            print(delivery.golden.relative_to(HERE))


if __name__ == "__main__":
    main()
