"""Which elementary operations a call of torch is made of.

A call is known by its name, be it a function of torch, a method of a tensor or an operator: ``torch.clamp(x, min=0.0)``,
``x.clamp(min=0.0)`` and ``x.clamp_min(0.0)`` are one. Elementary operations, which have rules of their own, are listed in
:mod:`dmg_core.equations.rules`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from itertools import count
from typing import Any

from dmg_core.deferred import torch
from dmg_core.equations.operations import CONDITIONS, Operand, Operation, Tape


class NoRuleError(Exception):
    """A call that is no elementary operation; the message says what to write instead."""


#: Elementary operations that take as many numbers as they are given, under all their names.
_NUMBERS = {
    1: {
        "neg": ("neg", "negative"),
        "abs": ("abs", "absolute"),
        "exp": ("exp", "special_exp"),
        "expm1": ("expm1", "special_expm1"),
        "log": ("log",),
        "log1p": ("log1p", "special_log1p"),
        "sqrt": ("sqrt",),
        "sin": ("sin",),
        "cos": ("cos",),
        "tan": ("tan",),
        "asin": ("asin", "arcsin"),
        "acos": ("acos", "arccos"),
        "atan": ("atan", "arctan"),
        "tanh": ("tanh",),
        "sigmoid": ("sigmoid", "special_expit"),
        "relu": ("relu",),
        "sign": ("sign", "sgn"),
        "floor": ("floor",),
        "ceil": ("ceil",),
        "round": ("round",),
        "detach": ("detach",),
    },
    2: {
        "add": ("add",),
        "sub": ("sub", "subtract"),
        "mul": ("mul", "multiply"),
        "div": ("truediv", "div", "divide", "true_divide"),
        "minimum": ("minimum", "min"),
        "maximum": ("maximum", "max"),
        "lt": ("lt", "less"),
        "le": ("le", "less_equal"),
        "gt": ("gt", "greater"),
        "ge": ("ge", "greater_equal"),
        "eq": ("eq",),
        "ne": ("ne", "not_equal"),
    },
}

_ELEMENTARY = {name: (kind, count) for count, kinds in _NUMBERS.items() for kind, names in kinds.items() for name in names}

#: Logical operations, under all their names.
_LOGICAL = {
    name: kind
    for kind, names in {
        "and": ("and_", "logical_and", "bitwise_and", "__and__", "__rand__"),
        "or": ("or_", "logical_or", "bitwise_or", "__or__", "__ror__"),
        "xor": ("xor", "logical_xor", "bitwise_xor", "__xor__", "__rxor__"),
        "not": ("invert", "logical_not", "bitwise_not", "__invert__"),
    }.items()
    for name in names
}

#: Calls that change nothing about a number.
_SAME = ("pos", "positive", "double", "to", "type_as", "clone", "contiguous", "expand_as", "float")

#: What to write instead of a call that has no rule.
_INSTEAD = {
    "item": "equations are traced before there are numbers: leave the quantity as it is",
    "tolist": "equations are traced before there are numbers: leave the quantity as it is",
    "numpy": "equations are traced before there are numbers: write torch's functions",
    "sum": "a step sees one value of each quantity: add quantities by +",
    "mean": "a step sees one value of each quantity: add quantities by + and divide",
    "stack": "a step sees one value of each quantity: give each a name of its own",
    "cat": "a step sees one value of each quantity: give each a name of its own",
    "floordiv": "write torch.floor(a / b)",
    "floor_divide": "write torch.floor(a / b)",
    "mod": "write a - b * torch.floor(a / b)",
    "remainder": "write a - b * torch.floor(a / b)",
    "softplus": "write torch.log1p(torch.exp(x))",
    "getattr": "a step sees one value of each quantity, without shape, type or device",
}


class Lowering:
    """Collects the elementary operations of noted calls."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._values: dict[torch.fx.Node, Operand] = {}
        self._conditions: set[Operand] = set()
        self._of_unknowns: set[Operand] = set()
        self._numbers = count()
        self._line = ""

    def enter(self, node: torch.fx.Node, name: str) -> None:
        """Let a node be an input."""
        self._values[node] = name

    def add(self, node: torch.fx.Node, line: str) -> None:
        """Lower one call.

        Raises
        ------
        NoRuleError
            If it is no elementary operation and not made of such.
        """
        self._line = line
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        args, kwargs = list(node.args), dict(node.kwargs)
        if node.op not in ("call_function", "call_method"):
            raise NoRuleError(f"{node.op} {name} is no operation on quantities; write torch's functions")
        if name.endswith("_") and name not in _LOGICAL and not name.startswith("__"):
            raise NoRuleError(f"{name} writes into a quantity; write {name[:-1]} and give the result a name")
        if name == "where" and node.op == "call_method":  # x.where(condition, other)
            args[:2] = args[1::-1]
        inner = [each for each in (*args, *kwargs.values()) if isinstance(each, (list, tuple))]
        if name in _SAME:
            value = self._operand(args[0])
            self._values[node] = value if name == "clone" else self.number(args[0])
            return
        composed = getattr(self, f"_{name}", None) if name in _COMPOSED else None
        kind, count = _ELEMENTARY.get(name, ("", 0))
        if inner and (composed or kind):
            raise NoRuleError(f"{name} is given {inner[0]!r}; it takes single quantities and numbers")
        if inner or (not composed and not kind and name not in _LOGICAL):
            raise NoRuleError(_no_rule(name))
        try:
            if composed:
                self._values[node] = composed(*args, **kwargs)
            elif name in _LOGICAL:
                self._values[node] = self._emit(_LOGICAL[name], *map(self.condition, _two(args, kwargs)))
            else:
                self._values[node] = self._elementary(name, kind, count, _two(args, kwargs))
        except TypeError:
            raise NoRuleError(f"{name} is called with arguments that have no rule: {node.format_node()}") from None

    def _elementary(self, name: str, kind: str, count: int, args: list[Any]) -> Operand:
        if len(args) != count:
            raise NoRuleError(f"{name} with {len(args)} arguments works along the axes of data; it takes {count} quantities")
        return self._emit(kind, *map(self.number, args))

    def _operand(self, argument: Any) -> Operand:
        if isinstance(argument, torch.fx.Node):
            value = self._values[argument]
            if value in self._of_unknowns:
                raise NoRuleError("what a function computes while it is solved is used after it; call the function with the root")
            return value
        if isinstance(argument, (bool, float)):
            return argument
        if isinstance(argument, int):
            return float(argument)
        raise NoRuleError(f"{argument!r} is no number; constants of equations are numbers")

    def number(self, argument: Any) -> Operand:
        """Operand as a number; a condition counts as 1 or 0."""
        operand = self._operand(argument)
        if isinstance(operand, bool):
            return float(operand)
        return self._emit("where", operand, 1.0, 0.0) if operand in self._conditions else operand

    def condition(self, argument: Any) -> Operand:
        """Operand as a condition; a number holds if it is not 0."""
        operand = self._operand(argument)
        if isinstance(operand, bool) or operand in self._conditions:
            return operand
        return operand != 0.0 if isinstance(operand, float) else self._emit("ne", operand, 0.0)

    def _emit(self, kind: str, *operands: Operand, equation: Tape | None = None) -> str:
        name = f"o{next(self._numbers)}"
        self.operations.append(Operation(name, kind, operands, self._line, equation))
        if kind in CONDITIONS:
            self._conditions.add(name)
        return name

    # Calls that are made of several elementary operations, or take their arguments in several ways.

    def _unknown(self) -> Operand:
        return self._emit("unknown")

    def _root(self, unknown: Any, residual: Any, lower: Any, upper: Any) -> Operand:
        """Take what depends on an unknown out of the operations: it is a function of its own."""
        x, zero, bounds = self._values[unknown], self.number(residual), (self.number(lower), self.number(upper))
        inside = {x}
        for operation in self.operations:
            if inside.intersection(operation.operands):
                inside.add(operation.name)
        if zero not in inside:
            raise NoRuleError("solve is given a function that does not depend on what it is solved for")
        taken = tuple(each for each in self.operations if each.name in inside and each.name != x)
        self.operations = [each for each in self.operations if each.name not in inside]
        self._of_unknowns |= inside
        names = dict.fromkeys(each for operation in taken for each in operation.operands if isinstance(each, str))
        given = tuple(each for each in names if each not in inside)
        return self._emit("solve", *bounds, *given, equation=Tape("root", (str(x), *given), taken, (zero,)))

    def _rsub(self, a: Any, b: Any) -> Operand:
        return self._emit("sub", self.number(b), self.number(a))

    def _square(self, a: Any) -> Operand:
        return self._pow(a, 2.0)

    def _reciprocal(self, a: Any) -> Operand:
        return self._emit("div", 1.0, self.number(a))

    def _rsqrt(self, a: Any) -> Operand:
        return self._emit("div", 1.0, self._emit("sqrt", self.number(a)))

    def _exp2(self, a: Any) -> Operand:
        return self._pow(2.0, a)

    def _log10(self, a: Any) -> Operand:
        return self._emit("div", self._emit("log", self.number(a)), 2.302585092994046)

    def _log2(self, a: Any) -> Operand:
        return self._emit("div", self._emit("log", self.number(a)), 0.6931471805599453)

    def _hypot(self, a: Any, b: Any) -> Operand:
        return self._emit("sqrt", self._emit("add", self._square(a), self._square(b)))

    def _lerp(self, a: Any, b: Any, weight: Any) -> Operand:
        first = self.number(a)
        return self._emit("add", first, self._emit("mul", self.number(weight), self._emit("sub", self.number(b), first)))

    def _zeros_like(self, _: Any, **__: Any) -> Operand:
        return 0.0

    def _ones_like(self, _: Any, **__: Any) -> Operand:
        return 1.0

    def _full_like(self, _: Any, fill_value: Any, **__: Any) -> Operand:
        return self.number(fill_value)

    def _where(self, condition: Any, input: Any, other: Any) -> Operand:  # noqa: A002 - torch's name
        return self._emit("where", self.condition(condition), self.number(input), self.number(other))

    def _masked_fill(self, a: Any, mask: Any, value: Any) -> Operand:
        return self._where(mask, value, a)

    def _clamp(self, a: Any, min: Any = None, max: Any = None) -> Operand:  # noqa: A002 - torch's names
        value = self.number(a)
        if min is not None and max is not None:
            return self._emit("clamp", value, self.number(min), self.number(max))
        if min is not None:
            return self._emit("clamp_low", value, self.number(min))
        return value if max is None else self._emit("clamp_high", value, self.number(max))

    _clip = _clamp

    def _clamp_min(self, a: Any, min: Any) -> Operand:  # noqa: A002
        return self._clamp(a, min=min)

    def _clamp_max(self, a: Any, max: Any) -> Operand:  # noqa: A002
        return self._clamp(a, max=max)

    def _pow(self, a: Any, exponent: Any) -> Operand:
        base, power = self.number(a), self.number(exponent)
        if not isinstance(power, str) and power in _POWERS:
            return _POWERS[power](self._emit, base)
        return self._emit("pow", base, power)


def _two(args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    """Arguments of an elementary operation, the second of which may be given as ``other``; anything else has no rule."""
    other = [kwargs.pop("other")] if "other" in kwargs else []
    if any(value not in (None, False, 1) for value in kwargs.values()):
        raise TypeError
    return [*args, *other]


def _no_rule(name: str) -> str:
    """Say that an operation has no rule, and what to write instead."""
    if name in _INSTEAD:
        return f"{name} has no rule: {_INSTEAD[name]}"
    near = difflib.get_close_matches(name, KNOWN, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{name} has no rule: {hint}write it with {', '.join(_SHOWN)}"


def _times(emit: Callable[..., Operand], a: Operand, count: int) -> Operand:
    """Product of so many factors, halved again and again: ``x⁴ = (x²)²``."""
    if count == 1:
        return a
    half = _times(emit, a, count // 2)
    square = emit("mul", half, half)
    return emit("mul", square, a) if count % 2 else square


def _whole_power(count: int) -> Callable[..., Operand]:
    return lambda emit, a: _times(emit, a, count)


def _inverse_power(count: int) -> Callable[..., Operand]:
    return lambda emit, a: emit("div", 1.0, _times(emit, a, count))


#: Powers with a constant exponent that need neither exponential nor logarithm; they hold for negative numbers, too.
_POWERS: dict[float, Callable[..., Operand]] = {
    0.0: lambda _emit, _a: 1.0,
    0.5: lambda emit, a: emit("sqrt", a),
    -0.5: lambda emit, a: emit("div", 1.0, emit("sqrt", a)),
    **{float(count): _whole_power(count) for count in range(1, 17)},
    **{float(-count): _inverse_power(count) for count in range(1, 17)},
}

#: Calls that a method of :class:`Lowering` takes apart.
_COMPOSED = (
    *("rsub", "square", "reciprocal", "rsqrt", "exp2", "log10", "log2", "hypot", "lerp", "zeros_like", "ones_like", "full_like"),
    *("where", "masked_fill", "clamp", "clip", "clamp_min", "clamp_max", "pow", "unknown", "root"),
)

#: Names of all calls that can be traced.
KNOWN = (*_ELEMENTARY, *_LOGICAL, *_SAME, *_COMPOSED)

#: Those that an error lists.
_SHOWN = sorted({*_NUMBERS[1], "minimum", "maximum", "clamp", "where", "pow", "square", "reciprocal"})
