"""The `${{ … }}` expressions that pasted workflow lines carry, for events of either host.

Facts from https://docs.github.com/actions/reference/workflows-and-actions/expressions: strings
compare without case, values of different types as numbers, `&&` and `||` give an operand. What the
language has beyond the names below is a fault at its place. Linear in the text, depth bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.core.mistakes import nearest
from bot.core.tags_faults import Fault

Value = None | bool | float | str

NAMES = (
    "github.ref",
    "github.ref_name",
    "github.ref_type",
    "github.sha",
    "github.repository",
    "github.repository_owner",
    "github.event_name",
    "github.head_ref",
    "github.base_ref",
    "github.event.repository.default_branch",
)
"""The context values that can be read; the last one is what lines about the default branch use."""

FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "startswith": (2, 2),
    "endswith": (2, 2),
    "contains": (2, 2),
    "format": (1, 32),
}
"""Lower-case name and the number of arguments, least and most."""

DEPTH = 50

_TOKEN = re.compile(
    r"\s*(?:(?P<end>\}\})|(?P<text>'(?:[^']|'')*')|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_-]*)*)"
    r"|(?P<sign>==|!=|&&|\|\||[!(),]))"
)
_PLACE = re.compile(r"\{\{|\}\}|\{([0-9]{1,3})\}|[{}]")


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    sign: Literal["==", "!=", "&&", "||"]
    left: Expression
    right: Expression


Expression = Constant | Name | Call | Not | Binary


@dataclass(frozen=True, slots=True)
class Found:
    """An expression and where it ends: the offset after its `}}`."""

    expression: Expression
    end: int


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


class _Stop(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def parse(text: str, start: int) -> Found | Fault:
    """The expression whose `${{` ends just before `start`."""
    try:
        return _Parser(text, start).whole()
    except _Stop as stop:
        return stop.fault


def evaluate(expression: Expression, names: Mapping[str, str]) -> Value:  # noqa: PLR0911  (one case per node)
    """The value under the given context values (keys as in `NAMES`)."""
    match expression:
        case Constant(value):
            return value
        case Name(name):
            return names.get(name, "")
        case Not(operand):
            return not _truthy(evaluate(operand, names))
        case Binary("&&", left, right):
            value = evaluate(left, names)
            return evaluate(right, names) if _truthy(value) else value
        case Binary("||", left, right):
            value = evaluate(left, names)
            return value if _truthy(value) else evaluate(right, names)
        case Binary(sign, left, right):
            return _equal(evaluate(left, names), evaluate(right, names)) is (sign == "==")
        case Call(function, arguments):
            return _call(function, [text_of(evaluate(a, names)) for a in arguments])


def text_of(value: Value) -> str:
    """The value as it stands in a line."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.15g}"
        case str():
            return value


def _truthy(value: Value) -> bool:
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def _number(value: Value) -> float:
    match value:
        case None:
            return 0.0
        case bool() | float():
            return float(value)
        case str():
            if not value.strip():
                return 0.0
            try:
                return float(value) if "_" not in value and len(value) < 400 else math.nan
            except ValueError:
                return math.nan


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.upper() == right.upper()
    return _number(left) == _number(right)


def _call(function: str, arguments: list[str]) -> Value:
    if function == "format":
        return _format(arguments[0], arguments[1:])
    text, part = (argument.upper() for argument in arguments)
    match function:
        case "startswith":
            return text.startswith(part)
        case "endswith":
            return text.endswith(part)
        case _:
            return part in text


def _format(pattern: str, arguments: list[str]) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        return arguments[int(found[1])] if int(found[1]) < len(arguments) else ""

    return _PLACE.sub(put, pattern)


def _tokens(text: str, start: int) -> list[_Token]:
    tokens: list[_Token] = []
    offset = start
    while True:
        found = _TOKEN.match(text, offset)
        if found is None:
            raise _Stop(_unread(text, offset))
        kind = found.lastgroup or ""
        tokens.append(_Token(kind, found[kind], found.start(kind)))
        if kind == "end":
            return tokens
        offset = found.end()


def _unread(text: str, offset: int) -> Fault:
    while offset < len(text) and text[offset].isspace():
        offset += 1
    if offset >= len(text):
        return Fault(offset, "the expression has no end", "close it with `}}`")
    if text[offset] == "'":
        return Fault(offset, "the text in quotes has no end", "a quote inside is written twice")
    return Fault(
        offset,
        f"`{text[offset]}` is not supported in an expression",
        "there are == != && || ! ( ), text in single quotes, numbers, "
        "startsWith, endsWith, contains and format",
    )


class _Parser:
    def __init__(self, text: str, start: int) -> None:
        self.tokens = _tokens(text, start)
        self.at = 0
        self.depth = 0

    def whole(self) -> Found:
        if self.tokens[0].kind == "end":
            raise _Stop(Fault(self.tokens[0].offset, "the expression is empty"))
        expression = self.either()
        end = self.take()
        if end.kind != "end":
            raise _Stop(Fault(end.offset, f"`{end.text[:40]}` is not expected here"))
        return Found(expression, end.offset + 2)

    def take(self) -> _Token:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def accept(self, *signs: str) -> str | None:
        token = self.tokens[self.at]
        if token.kind == "sign" and token.text in signs:
            self.at += 1
            return token.text
        return None

    def expect(self, sign: str) -> None:
        token = self.tokens[self.at]
        if not self.accept(sign):
            raise _Stop(Fault(token.offset, f"`{sign}` is expected here"))

    def deeper(self, by: int) -> None:
        self.depth += by
        if self.depth > DEPTH:
            raise _Stop(
                Fault(self.tokens[self.at].offset, f"an expression nests at most {DEPTH} deep")
            )

    def either(self) -> Expression:
        left, count = self.both(), 0
        while self.accept("||"):
            left, count = Binary("||", left, self.both()), count + 1
            self.deeper(1)
        self.deeper(-count)
        return left

    def both(self) -> Expression:
        left, count = self.compared(), 0
        while self.accept("&&"):
            left, count = Binary("&&", left, self.compared()), count + 1
            self.deeper(1)
        self.deeper(-count)
        return left

    def compared(self) -> Expression:
        left, count = self.unary(), 0
        while sign := self.accept("==", "!="):
            right = self.unary()
            left = Binary("==" if sign == "==" else "!=", left, right)
            count += 1
            self.deeper(1)
        self.deeper(-count)
        return left

    def unary(self) -> Expression:
        if not self.accept("!"):
            return self.primary()
        self.deeper(1)
        operand = self.unary()
        self.deeper(-1)
        return Not(operand)

    def primary(self) -> Expression:
        token = self.tokens[self.at]
        if self.accept("("):
            self.deeper(1)
            inner = self.either()
            self.deeper(-1)
            self.expect(")")
            return inner
        self.take()
        match token.kind:
            case "text":
                return Constant(token.text[1:-1].replace("''", "'"))
            case "number":
                return Constant(float(token.text[:300]))
            case "name":
                return self.named(token)
            case _:
                raise _Stop(Fault(token.offset, "a value is expected here"))

    def named(self, token: _Token) -> Expression:
        name = re.sub(r"\s", "", token.text)
        if name in ("true", "false", "null"):
            return Constant({"true": True, "false": False, "null": None}[name])
        if self.accept("("):
            return self.call(token, name.lower())
        lower = name.lower()
        if lower not in NAMES:
            hint = nearest(lower, NAMES) or f"there are {', '.join(NAMES)}"
            raise _Stop(Fault(token.offset, f"`{name[:80]}` is not known in an expression", hint))
        return Name(lower)

    def call(self, token: _Token, function: str) -> Expression:
        if function not in FUNCTIONS:
            hint = (
                nearest(function, FUNCTIONS) or "there are startsWith, endsWith, contains, format"
            )
            raise _Stop(Fault(token.offset, f"the function `{token.text[:80]}` is not known", hint))
        arguments: list[Expression] = []
        self.deeper(1)
        if not self.accept(")"):
            arguments.append(self.either())
            while self.accept(","):
                arguments.append(self.either())
            self.expect(")")
        self.deeper(-1)
        least, most = FUNCTIONS[function]
        if not least <= len(arguments) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise _Stop(Fault(token.offset, f"`{token.text}` takes {count} arguments"))
        if function == "format":
            _check_places(token, arguments)
        return Call(function, tuple(arguments))


def _check_places(token: _Token, arguments: list[Expression]) -> None:
    pattern = arguments[0]
    if not isinstance(pattern, Constant):
        return
    for found in _PLACE.finditer(text_of(pattern.value)):
        if found[0] in ("{", "}"):
            raise _Stop(Fault(token.offset, "a brace in a format is written twice"))
        if found[1] is not None and int(found[1]) >= len(arguments) - 1:
            raise _Stop(Fault(token.offset, f"the format has no argument {found[1]}"))
