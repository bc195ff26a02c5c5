"""Whether a node is one of those that a pod's node affinity requires.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.executors.kubernetes.reading import mapping, mappings, text_of

Json = Mapping[str, object]

_NUMBER = re.compile(r"-?[0-9]{1,18}")


def required(spec: Json) -> Sequence[Json] | None:
    """The terms that a pod's `spec` requires of nodes; None: it requires nothing."""
    rule = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    terms = rule.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if terms is None else mappings(mapping(terms).get("nodeSelectorTerms"))


def in_affinity(node: Json, spec: Json) -> bool:
    """What is only preferred keeps no pod away, and neither do other pods' places, which change."""
    terms = required(spec)
    return terms is None or any(_meets(node, term) for term in terms)


def _meets(node: Json, term: Json) -> bool:
    """All that a term says; one that says nothing is met by no node."""
    about = mapping(node.get("metadata"))
    labels, fields = mapping(about.get("labels")), {"metadata.name": about.get("name")}
    asked = [(one, labels) for one in mappings(term.get("matchExpressions"))]
    asked += [(one, fields) for one in mappings(term.get("matchFields"))]
    return bool(asked) and all(_holds(one, values) for one, values in asked)


def _holds(expression: Json, values: Json) -> bool:
    value = values.get(text_of(expression.get("key")))
    listed = expression.get("values")
    wanted = listed if isinstance(listed, list) else []
    answers = {
        "In": value is not None and value in wanted,
        "NotIn": value is None or value not in wanted,
        "Exists": value is not None,
        "DoesNotExist": value is None,
        "Gt": _compared(value, wanted) > 0,
        "Lt": _compared(value, wanted) < 0,
    }
    return answers.get(text_of(expression.get("operator")), False)


def _compared(value: object, wanted: Sequence[object]) -> int:
    """-1, 0 or 1; 0 also where one of them is no number."""
    one, other = text_of(value), text_of(wanted[0] if wanted else None)
    if not _NUMBER.fullmatch(one) or not _NUMBER.fullmatch(other):
        return 0
    return (int(one) > int(other)) - (int(one) < int(other))
