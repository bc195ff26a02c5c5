"""Amounts as Kubernetes writes them, and what a pod asks for.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from bot.executors.kubernetes.reading import mapping, mappings, text_of

_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei|e[0-9]{1,2}|)"
)
_FACTORS = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
_FACTORS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}
_FACTORS |= {unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", 2)}

COUNTED = ("cpu", "memory", "ephemeral-storage")


def amount(value: object) -> Decimal | None:
    """`500m`, `4Gi` or `1e9` as a number; None for anything else."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, unit = Decimal(found[1]), found[2]
    if unit.startswith("e") and unit[1:]:
        return number * Decimal(10) ** int(unit[1:])
    return number * _FACTORS[unit]


def amounts(values: object) -> dict[str, Decimal]:
    """Those of a mapping that can be read."""
    read = ((name, amount(value)) for name, value in mapping(values).items())
    return {name: value for name, value in read if value is not None}


def pod_asks(pod: Mapping[str, object], kind: str) -> dict[str, Decimal]:
    """The sum over a pod's containers of its `requests` or `limits`. Its init containers are
    sidecars, which run beside the others and are added, too."""
    spec = mapping(pod.get("spec"))
    total: Counter[str] = Counter()
    for key in ("containers", "initContainers"):
        for container in mappings(spec.get(key)):
            values = mapping(mapping(container.get("resources")).get(kind))
            for name, value in amounts(values).items():
                total[name] += value  # type: ignore[assignment]  # Counter's stubs know int alone
    return {name: Decimal(value) for name, value in total.items() if name in COUNTED}


def shown(name: str, value: Decimal) -> str:
    """`2 cpu`, `4.2Gi memory`: for people."""
    if name in ("memory", "ephemeral-storage"):
        text = f"{float(value) / 1024**3:.1f}".rstrip("0").rstrip(".")
        return f"{text}Gi {name}"
    return f"{value.normalize():f} {name}"


def shown_all(values: Mapping[str, Decimal]) -> str:
    return ", ".join(shown(name, value) for name, value in sorted(values.items()))
