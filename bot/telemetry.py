"""One place for the names of log fields and metrics, and the way log lines are written: JSON Lines,
control characters escaped, no secret (values of the type `Secret` print as stars)."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping

_FIELDS = ("delivery", "source", "repository", "build", "attempt", "ref", "sha", "loop")


class JsonLines(logging.Formatter):
    """`{"at": …, "level": …, "text": …, …fields}`; a forged newline stays inside its string."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "from": record.name,
            "text": record.getMessage(),
        }
        document |= {f: v for f in _FIELDS if (v := getattr(record, f, None)) is not None}
        if record.exc_info and record.exc_info[0] is not None:
            document["error"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


class Plain(logging.Formatter):
    """For a person at a terminal: time, text, fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(
            f"{f}={v}" for f in _FIELDS if (v := getattr(record, f, None)) is not None
        )
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = record.getMessage().replace("\n", "\\n")
        line = f"{at} {record.levelname.lower():<7} {text}{'  ' + fields if fields else ''}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + self.formatException(record.exc_info)
        return line


def start_logging(level: str = "info") -> None:
    """JSON Lines to standard error; plain lines where that is a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Plain() if sys.stderr.isatty() else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At DEBUG the first four print request bodies, tokens included; alembic tells each plugin,
    # httpx each request.
    quiet = ("urllib3", "github.Requester", "gitlab", "requests", "alembic", "httpx", "httpcore")
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


def fields(**values: object) -> Mapping[str, object]:
    """`extra=` of a log call; unknown field names are a programming error."""
    unknown = set(values) - set(_FIELDS)
    if unknown:
        raise ValueError(f"unknown log fields: {', '.join(sorted(unknown))}")
    return values
