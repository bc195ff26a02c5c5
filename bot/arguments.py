"""What arguments of the command line may be. Each function raises argparse's own error, which ends
the command with the usage and exit code 2."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


ROWS_MAX = 10_000


def moment(text: str) -> datetime:
    """ISO 8601 as an aware time in UTC, which it is in unless it says otherwise."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ISO 8601 time such as 2026-03-04T05:06:07Z"
        ) from error


def registry(text: str) -> str:
    """What an image name may begin with: `host[:port][/path]`."""
    from bot.core.naming import name_fault

    if fault := name_fault(f"{text}/x"):
        raise argparse.ArgumentTypeError(f"{text!r} is no registry: {fault}")
    return text


def rows(text: str) -> int:
    """How many to list."""
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= ROWS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {ROWS_MAX}")
    return int(text)


def port(text: str) -> int:
    """0: any that is free."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535, 0 is any free one")
    return int(text)


def ref(text: str) -> str:
    """As ref state names it. Requests also by the refs that hosts show them under."""
    import re

    if found := re.fullmatch(r"refs/(?:pull|merge-requests)/([0-9]+)/(?:head|merge)", text):
        return f"request/{found[1]}"
    if text.startswith("request/"):
        if not re.fullmatch(r"request/[1-9][0-9]{0,17}", text):
            raise argparse.ArgumentTypeError(f"{text!r} is no request: write request/7")
        return text
    full = text if text.startswith("refs/") else f"refs/heads/{text}"
    if not re.fullmatch(r"refs/(?:heads|tags)/[^\x00-\x20\x7f]+", full):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ref: a branch, refs/tags/TAG or request/NUMBER"
        )
    return full
