"""`needs`: images of one file that are built before others. No image may wait for itself."""

from __future__ import annotations

from collections.abc import Mapping

from bot.core.ids import ImageKey
from bot.core.mistakes import Mark, Notes, nearest, show
from bot.core.repoconfig import Need

Needs = Mapping[ImageKey, tuple[tuple[Need, Mark], ...]]


def check_needs(needs: Needs, notes: Notes) -> None:
    """Notes names that are no image, images named twice, and each circle once."""
    for key, wanted in needs.items():
        seen: set[ImageKey] = set()
        for need, mark in wanted:
            if need.image not in needs:
                notes.wrong(mark, f"no image {show(need.image)} here", nearest(need.image, needs))
            elif need.image in seen:
                notes.wrong(mark, f"`{key}` needs `{need.image}` twice")
            seen.add(need.image)
    reported: set[frozenset[ImageKey]] = set()
    for key in needs:
        circle = _circle(key, needs)
        if circle is not None and frozenset(circle) not in reported:
            reported.add(frozenset(circle))
            mark = next(mark for need, mark in needs[circle[0]] if need.image == circle[1])
            notes.wrong(mark, f"images need one another in a circle: {' → '.join(circle)}")


def _circle(start: ImageKey, needs: Needs) -> list[ImageKey] | None:
    """A shortest way from `start` back to it, both ends included."""
    before: dict[ImageKey, ImageKey] = {}
    layer = [start]
    while layer:
        following: list[ImageKey] = []
        for key in layer:
            for need, _ in needs.get(key, ()):
                if need.image == start:
                    way = [start, key]
                    while way[-1] != start:
                        way.append(before[way[-1]])
                    return [*reversed(way[1:]), start]
                if need.image not in before:
                    before[need.image] = key
                    following.append(need.image)
        layer = following
    return None
