"""Single fields of the section `kubernetes`: names and quantities that the cluster accepts.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

import re

from bot.core.fieldtext import Problem, plain
from bot.core.naming import split_reference
from bot.core.podoverrides import unsettable

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})*")
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_SECRET_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")


def namespace(text: str) -> str | Problem:
    if _LABEL.fullmatch(text):
        return text
    return Problem("a namespace is lower-case letters, digits and '-', at most 63")


def object_name(text: str) -> str | Problem:
    if len(text) <= 253 and _SUBDOMAIN.fullmatch(text):
        return text
    return Problem("a name in the cluster is lower-case letters, digits, '-' and '.'")


def instance(text: str) -> str | Problem:
    if len(text) <= 40 and _LABEL.fullmatch(text):
        return text
    return Problem("an instance's name is lower-case letters, digits and '-', at most 40")


def secret_key(text: str) -> str | Problem:
    if _SECRET_KEY.fullmatch(text):
        return text
    return Problem("a key of a Secret is letters, digits, '.', '_' and '-'")


def label_key(text: str) -> str | Problem:
    prefix, slash, word = text.rpartition("/")
    known = not slash or (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix))
    if known and _WORD.fullmatch(word):
        return text
    return Problem("a label is written pool or example.com/pool")


def label_value(text: str) -> str | Problem:
    if not text or _WORD.fullmatch(text):
        return text
    return Problem("a label's value is letters, digits, '.', '_' and '-', at most 63")


def image(text: str) -> str | Problem:
    if split_reference(text) is None:
        return Problem("this is no image", "an image is written registry.example.com/pushwright:1")
    return text


def variable(text: str) -> str | Problem:
    """An environment variable that an administrator may set in a build pod."""
    if unsettable([text]):
        return Problem("this variable can't be set", "it decides what runs or what it trusts")
    return text


def no_proxy(text: str) -> str | Problem:
    found = plain(text)
    if isinstance(found, Problem):
        return found
    if re.fullmatch(r"[A-Za-z0-9.,:*\[\]/_ -]+", text):
        return text
    return Problem("hosts that need no proxy are written .example.com,10.0.0.0/8")
