"""Straight-line code in which nothing is computed twice, and nothing is added to 0 or multiplied by 0 or 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from dmg_core.equations.operations import Operand

#: Least number of full precision: logarithms of smaller ones count as those of 0.
LEAST_NORMAL: Final = 2.2250738585072014e-308

#: How an operation is written.
_TEXT: Final = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "gt": "{} > {}",
    "ge": "{} >= {}",
    "eq": "{} == {}",
    "ne": "{} != {}",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} != {}",
    "not": "not {}",
}

#: Operations whose operands can change places.
_COMMUTATIVE: Final = ("add", "mul", "eq", "ne", "and", "or", "xor")

#: Operations on constants, worked out while writing.
_ON_CONSTANTS: Final[dict[str, Callable[..., float | bool]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else (math.nan if a == 0.0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)),
    "neg": lambda a: -a,
    "minimum": lambda a, b: a if a < b else b,
    "maximum": lambda a, b: a if a > b else b,
    "clamp_low": lambda a, b: b if a < b else a,
    "clamp_high": lambda a, b: b if a > b else a,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
    "not": lambda a: not a,
    "abs": abs,
    "sqrt": lambda a: math.sqrt(a) if a >= 0.0 else math.nan,
}


#: Where nothing is known about a number.
_ANY: Final = (-math.inf, math.inf)

#: Bounds of a result by those of what an operation works on: enough to see what powers need not look for.
_RANGES: Final[dict[str, Callable[..., tuple[float, float]]]] = {
    "clamp_low": lambda x, low: (max(x[0], low[0]), max(x[1], low[1])),
    "clamp_high": lambda x, high: (min(x[0], high[0]), min(x[1], high[1])),
    "minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "select": lambda _, a, b: b if a[0] != a[0] else a if b[0] != b[0] else (min(a[0], b[0]), max(a[1], b[1])),
    "exp": lambda _: (0.0, math.inf),
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "div": lambda a, b: (a[0] / b[1], a[1] / b[0]) if a[0] >= 0.0 and b[0] > 0.0 else _ANY,
}


class Line(NamedTuple):
    """One line of code: ``name = kind(operands)``."""

    name: str
    kind: str
    operands: tuple[Operand, ...]
    origin: str
    """Line of the model it comes from, ``file:line``, or nothing."""

    @property
    def bare(self) -> bool:
        """Whether it needs no brackets within another expression: it is a call."""
        return self.kind not in _TEXT

    def expression(self, inline: Mapping[str, tuple[str, bool]]) -> str:
        """Give the right-hand side as Python code, some operands replaced by their expressions, which may be bare."""

        def text(operand: Operand) -> str:
            if not isinstance(operand, str) or operand not in inline:
                return text_of(operand)
            expression, bare = inline[operand]
            return expression if bare or self.bare else f"({expression})"

        operands = [text(each) for each in self.operands]
        return f"{self.kind}({', '.join(operands)})" if self.bare else _TEXT[self.kind].format(*operands)


def text_of(operand: Operand) -> str:
    """Write an operand as Python code; infinities and NaN are ``inf`` and ``nan`` there."""
    text = operand if isinstance(operand, str) else repr(operand)
    return f"({text})" if text.startswith("-") else text


class Writer:
    """Collects lines; each method returns the name of its result, or a constant.

    Parameters
    ----------
    declared : mapping of str to tuple of float, optional
        Ranges within which inputs are by declaration. What a power does at zero is written for exponents within them alone.

    Attributes
    ----------
    origin : str
        Line of the model that is being written.
    functions : dict of str to callable
        Functions that the lines call besides those of :mod:`~dmg_core.equations.primitives`, by name.
    """

    def __init__(self, declared: Mapping[str, tuple[float, float]] | None = None) -> None:
        self.origin = ""
        self.functions: dict[str, Any] = {}
        self._sure: dict[str, tuple[float, float]] = {}
        self._declared: dict[str, tuple[float, float]] = dict(declared or {})
        self._lines: list[Line] = []
        self._known: dict[tuple[str, ...], str] = {}
        self._negated: dict[Operand, Operand] = {}

    def let(self, kind: str, *operands: Operand) -> Operand:
        """Write an operation, unless it stands there already or all it works on is constant."""
        if kind in _ON_CONSTANTS and not any(isinstance(each, str) for each in operands):
            return _ON_CONSTANTS[kind](*operands)
        texts = [text_of(each) for each in operands]
        key = (kind, *(sorted(texts) if kind in _COMMUTATIVE else texts))
        if key not in self._known:
            name = self._known[key] = f"v{len(self._lines)}"
            self._lines.append(Line(name, kind, operands, self.origin))
            if kind in _RANGES:
                for ranges in (self._sure, self._declared):
                    ranges[name] = _RANGES[kind](*(_range_of(each, ranges) for each in operands))
        return self._known[key]

    def add(self, a: Operand, b: Operand) -> Operand:
        """Write ``a + b``."""
        if _is(a, 0.0):
            return b
        if _is(b, 0.0):
            return a
        if b in self._negated:
            return self.sub(a, self._negated[b])
        return self.sub(b, self._negated[a]) if a in self._negated else self.let("add", a, b)

    def sub(self, a: Operand, b: Operand) -> Operand:
        """Write ``a - b``."""
        if _is(b, 0.0):
            return a
        if _is(a, 0.0):
            return self.neg(b)
        return self.add(a, self._negated[b]) if b in self._negated else self.let("sub", a, b)

    def neg(self, a: Operand) -> Operand:
        """Write ``-a``."""
        if a in self._negated:
            return self._negated[a]
        if _is(a, 0.0):
            return 0.0
        negative = self.let("neg", a)
        if isinstance(negative, str):
            self._negated[negative] = a
        return negative

    def mul(self, a: Operand, b: Operand) -> Operand:
        """Write ``a * b``; what is multiplied by a zero that is known is zero."""
        for one, other in ((a, b), (b, a)):
            if _is(one, 0.0):
                return 0.0
            if _is(one, 1.0):
                return other
            if _is(one, -1.0):
                return self.neg(other)
            if one in self._negated:
                return self.neg(self.mul(self._negated[one], other))
        return self.let("mul", a, b)

    def div(self, a: Operand, b: Operand) -> Operand:
        """Write ``a / b``."""
        if _is(b, 1.0):
            return a
        return self.neg(self.div(self._negated[a], b)) if a in self._negated else self.let("div", a, b)

    def reciprocal(self, a: Operand) -> Operand:
        """Write ``1 / a``."""
        return self.div(1.0, a)

    def select(self, condition: Operand, a: Operand, b: Operand) -> Operand:
        """Write ``a`` where a condition holds, else ``b``."""
        if isinstance(condition, bool):
            return a if condition else b
        return a if text_of(a) == text_of(b) else self.let("select", condition, a, b)

    def exp(self, a: Operand) -> Operand:
        """Write ``exp(a)``."""
        return self.let("exp", a)

    def log_of_positive(self, a: Operand) -> Operand:
        """Write ``ln a`` for normal positive numbers; of others it is any number."""
        return self.let("log", a)

    def known(self, kind: str, a: Operand, b: Operand) -> Operand:
        """Write a comparison, unless declared ranges and a constant ``b`` settle it."""
        if isinstance(b, str):
            return self.let(kind, a, b)
        low, high = _range_of(a, self._declared)
        outcomes = {_ON_CONSTANTS[kind](low, b), _ON_CONSTANTS[kind](high, b)}
        settled = len(outcomes) == 1 and not (kind in ("eq", "ne") and low <= b <= high)
        return outcomes.pop() if settled else self.let(kind, a, b)

    def positive(self, a: Operand, value: Operand, at_zero: Operand) -> Operand:
        """Write ``value`` for positive ``a``, ``at_zero`` for 0, and NaN for negative numbers and NaN."""
        if not isinstance(a, str):
            return value if a >= LEAST_NORMAL else at_zero if a >= 0.0 else math.nan
        if _range_of(a, self._sure)[0] >= LEAST_NORMAL:
            return self.select(self.let("ge", a, LEAST_NORMAL), value, math.nan)
        below = self.select(self.let("ge", a, 0.0), at_zero, math.nan)
        return self.select(self.let("ge", a, LEAST_NORMAL), value, below)

    def needed(self, results: Iterable[Operand]) -> list[Line]:
        """Lines that results need, in order."""
        wanted, kept = set(results), []
        for line in reversed(self._lines):
            if line.name in wanted:
                kept.append(line)
                wanted.update(line.operands)
        return kept[::-1]


def _range_of(operand: Operand, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Give bounds within which a number lies."""
    return ranges.get(operand, _ANY) if isinstance(operand, str) else (operand, operand)


def _is(operand: Operand, number: float) -> bool:
    return not isinstance(operand, str) and operand == number
