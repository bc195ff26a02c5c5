"""Words that may be commands: in any case of ASCII letters, and with one slip of the finger."""

from __future__ import annotations

import difflib

from bot.core.commands import BY_NAME


def meant(word: str) -> str | None:
    """The command that was meant, where one typing slip explains the word: others own words like
    `/test` or `/hold`."""
    small = lower(word)
    if small in BY_NAME or "/" in word or not 3 < len(word) <= 20:
        return None
    close = difflib.get_close_matches(small, list(BY_NAME), n=1, cutoff=0.7)
    return close[0] if close and _slip(small, close[0]) else None


def lower(word: str) -> str:
    """ASCII letters alone: others have small forms that look like them (the Kelvin sign's is k)."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


def _slip(one: str, other: str) -> bool:
    """Whether one letter was left out, added or changed, or two neighbours were swapped."""
    if len(one) == len(other):
        differing = [at for at in range(len(one)) if one[at] != other[at]]
        match differing:
            case [_]:
                return True
            case [at, after] if after == at + 1:
                return one[at] == other[after] and one[after] == other[at]
            case _:
                return False
    shorter, longer = sorted((one, other), key=len)
    return len(longer) - len(shorter) == 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )
