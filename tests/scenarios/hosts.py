"""Which hosts a scenario is played on."""

from __future__ import annotations

from typing import Final

import pytest

from bot.core.ids import HostKind

ANY_HOST: Final = pytest.mark.parametrize(
    "kind",
    [HostKind.GITHUB, pytest.param(HostKind.GITLAB, marks=pytest.mark.long)],
    indirect=True,
)
"""Of a scenario in which no host's words or rules play a part: the other is played where there is
time. Without it, a scenario is played on both."""
