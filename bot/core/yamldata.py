"""A tree with places as plain data, where what is written goes on to somebody else as it is."""

from __future__ import annotations

from typing import assert_never

from bot.core.yamltree import Mapping, Node, Scalar, Sequence


def plain_data(node: Node) -> object:
    """Dicts, lists, texts, numbers, booleans and None, by YAML 1.2's core schema."""
    match node:
        case Mapping():
            return {entry.key: plain_data(entry.value) for entry in node.entries}
        case Sequence():
            return [plain_data(item) for item in node.items]
        case Scalar():
            return _scalar(node)
    assert_never(node)


def _scalar(node: Scalar) -> object:
    """No infinity and no NaN: JSON has neither, so they stay what was typed."""
    text = node.text
    match node.kind:
        case "text":
            return text
        case "bool":
            return text.lower() == "true"
        case "null":
            return None
        case "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)) if len(text) < 20 else text
        case "float":
            return text if "n" in text.lower() else float(text)
    assert_never(node.kind)
