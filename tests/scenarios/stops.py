"""Workers that stop at any instruction: a store that lets nothing more through from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bot.storage import Store


class Stopped(BaseException):
    """The process is gone: no `except Exception` of the bot's sees it."""


class StoppingStore:
    """The real store until its `calls`-th call; that one is made, or is not (`before`), and then
    the process is gone. What its `finally` blocks still ask for does not happen either."""

    def __init__(self, store: Store, calls: int, *, before: bool) -> None:
        self._store = store
        self._left = calls
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left < 0 or (self._left == 0 and self._before):
                raise Stopped(name)
            answer = method(*arguments, **named)
            if self._left == 0:
                raise Stopped(name)
            return answer

        return call


def stopping(store: Store, calls: int, *, before: bool) -> Store:
    return cast("Store", StoppingStore(store, calls, before=before))


def until_stopped(run: Callable[[], None]) -> bool:
    """Whether it was stopped on the way."""
    try:
        run()
    except Stopped:
        return True
    return False
