"""The pods of `pushwright render-pod` as documents: JSON for machines, YAML for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bot.core.ids import ImageKey


@dataclass(frozen=True, slots=True)
class Rendered:
    """One image's pod and Secret. The Secret's values are texts, not base64, and hidden where they
    are secret."""

    image: ImageKey
    pod: Mapping[str, object]
    secret: Mapping[str, object]


def pod_json(one: Rendered) -> Mapping[str, object]:
    return {"image": one.image, "pod": one.pod, "secret": one.secret}


class _Dumper(yaml.SafeDumper):
    """Scripts and recipes are read by people: texts of several lines stay as they are."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the base's
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    )


_Dumper.add_representer(str, _text)


def yaml_text(one: Rendered) -> str:
    """Two documents under a line that names the image."""
    documents = json.loads(json.dumps([dict(one.secret), dict(one.pod)]))  # plain values only
    shown = yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=10_000
    )
    return f"# {one.image}\n{shown}"
