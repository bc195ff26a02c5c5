"""``python -I -m bot.builder RECIPE.json``; exit code 0 if a result was written."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from bot.builder import outcome
from bot.builder.budget import Budget
from bot.builder.outcome import BuildFailed, Result
from bot.builder.recipe import Recipe, parse, result_path
from bot.builder.records import Records
from bot.builder.redaction import Redactor, forms
from bot.builder.run import Run, secret_values

_USAGE = "usage: python -I -m bot.builder RECIPE.json   (docs/builder.md)"


def main(argv: list[str], kind: type[Run] = Run) -> int:
    if len(argv) != 1:
        print(_USAGE, file=sys.stderr)  # noqa: T201 (this is a command)
        return 2
    os.umask(0o022)  # file modes are part of BuildKit's cache keys
    try:
        data = Path(argv[0]).read_bytes()
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    where = result_path(data)
    result = Result()
    try:
        recipe = parse(data)
    except BuildFailed as failure:
        result.fail(failure)
    else:
        result = _run(recipe, kind)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # nothing may come between a result and its file
    if where is None:
        print(result.message, file=sys.stderr)  # noqa: T201
        return 1
    outcome.write(result, where)
    return 0


def _run(recipe: Recipe, kind: type[Run]) -> Result:
    budget = Budget(recipe.limits.timeout)
    budget.listen()
    values = secret_values(recipe.redact_files)
    redactor = Redactor(form for value in values for form in forms(value))
    records = Records(sys.stdout.fileno(), redactor, head=recipe.limits.log_bytes)
    try:
        result = kind(recipe, budget, records, redactor).go()
    except BuildFailed as failure:
        result = Result()
        result.fail(failure)
    records.close()
    for name in ("docker-config", "askpass"):  # what holds or fetches a credential
        path = recipe.workdir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
