"""Forward and reverse of each elementary operation.

The reverse takes the sensitivity ``d`` of a result to what an operation gives and returns those to what it takes. Where a function has a
kink, or two of its branches meet, there is one convention, whatever version of torch is installed (it is that of torch 2.13):

- a bound of ``clamp`` that is just met lets the sensitivity through to the value; one that cuts takes it, if it is no constant;
- two equal arguments of ``minimum`` or ``maximum`` share it half and half;
- ``where`` gives the branch not taken exactly zero, and nothing that is computed for that branch alone turns this into NaN, however
  steep it is there (where torch's own reverse multiplies zero by infinity);
- ``abs`` and ``relu`` have slope 0 at 0, and ``sign``, ``floor``, ``ceil``, ``round`` and ``detach`` everywhere;
- ``a ** b`` has, at ``a = 0``, slope 0 to ``b`` if ``b ≥ 0``, and slope 0 to ``a`` if ``b = 0``.

:mod:`dmg_core.equations.convention` makes the torch form follow it, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from dmg_core.equations.operations import Operand
from dmg_core.equations.writer import Writer

#: What a rule returns: sensitivities by operand, None for an operand without one (a condition).
Sensitivities: TypeAlias = "Sequence[Operand | None]"

#: Writes ``forward(writer, *operands)``.
Forward: TypeAlias = Callable[..., Operand]

#: Writes ``reverse(writer, d, result, *operands)``.
Reverse: TypeAlias = Callable[..., Sensitivities]


def _add(_: Writer, d: Operand, _r: Operand, _a: Operand, _b: Operand) -> Sensitivities:
    return d, d


def _sub(w: Writer, d: Operand, _r: Operand, _a: Operand, _b: Operand) -> Sensitivities:
    return d, w.neg(d)


def _mul(w: Writer, d: Operand, _r: Operand, a: Operand, b: Operand) -> Sensitivities:
    return w.mul(d, b), w.mul(d, a)


def _div(w: Writer, d: Operand, r: Operand, _a: Operand, b: Operand) -> Sensitivities:
    by_a = w.mul(d, w.reciprocal(b))
    return by_a, w.neg(w.mul(by_a, r))


def _neg(w: Writer, d: Operand, _r: Operand, _a: Operand) -> Sensitivities:
    return (w.neg(d),)


def _forward_pow(w: Writer, a: Operand, b: Operand) -> Operand:
    """Write ``exp(b ln a)``, and what a power is where that does not hold: at 0 and below."""
    positive = w.exp(w.mul(b, w.log_of_positive(a)))
    at_zero = w.select(w.known("gt", b, 0.0), 0.0, w.select(w.known("eq", b, 0.0), 1.0, math.inf))
    return w.positive(a, positive, at_zero)


def _pow(w: Writer, d: Operand, r: Operand, a: Operand, b: Operand) -> Sensitivities:
    slope = w.mul(b, w.mul(r, w.reciprocal(a)))
    slope_at_zero = w.select(
        w.known("gt", b, 1.0), 0.0, w.select(w.known("ge", b, 1.0), 1.0, w.select(w.known("eq", b, 0.0), 0.0, w.mul(b, math.inf)))
    )
    by_b_at_zero = w.select(w.known("ge", b, 0.0), 0.0, -math.inf)
    by_b = w.positive(a, w.mul(r, w.log_of_positive(a)), by_b_at_zero)
    return w.mul(d, w.positive(a, slope, slope_at_zero)), w.mul(d, by_b)


def _least(kind: str) -> Reverse:
    def reverse(w: Writer, d: Operand, _r: Operand, a: Operand, b: Operand) -> Sensitivities:
        tie = w.select(w.let("eq", a, b), w.mul(0.5, d), 0.0)
        first = w.select(w.let(kind, a, b), d, tie)
        return first, w.sub(d, first)

    return reverse


def _clamp_low(w: Writer, d: Operand, _r: Operand, x: Operand, low: Operand) -> Sensitivities:
    inside = w.let("ge", x, low)
    return w.select(inside, d, 0.0), w.select(inside, 0.0, d)


def _clamp_high(w: Writer, d: Operand, _r: Operand, x: Operand, high: Operand) -> Sensitivities:
    inside = w.let("le", x, high)
    return w.select(inside, d, 0.0), w.select(inside, 0.0, d)


def _clamp(w: Writer, d: Operand, _r: Operand, x: Operand, low: Operand, high: Operand) -> Sensitivities:
    inside = w.let("and", w.let("ge", x, low), w.let("le", x, high))
    below = w.let("and", w.let("lt", x, low), w.let("lt", low, high))
    above = w.let("or", w.let("gt", x, high), w.let("lt", high, low))
    return w.select(inside, d, 0.0), w.select(below, d, 0.0), w.select(above, d, 0.0)


def _where(w: Writer, d: Operand, _r: Operand, c: Operand, _a: Operand, _b: Operand) -> Sensitivities:
    return None, w.select(c, d, 0.0), w.select(c, 0.0, d)


def _abs(w: Writer, d: Operand, _r: Operand, x: Operand) -> Sensitivities:
    return (w.select(w.let("gt", x, 0.0), d, w.select(w.let("lt", x, 0.0), w.neg(d), 0.0)),)


def _one_minus_square(w: Writer, x: Operand) -> Operand:
    return w.sub(1.0, w.mul(x, x))


def _unary(slope: Callable[[Writer, Operand, Operand], Operand]) -> Reverse:
    """Make the reverse of a smooth function whose slope is written from its result and its argument."""

    def reverse(w: Writer, d: Operand, r: Operand, x: Operand) -> Sensitivities:
        return (w.mul(d, slope(w, r, x)),)

    return reverse


def _condition(_w: Writer, _d: Operand, _r: Operand, *operands: Operand) -> Sensitivities:
    return (None,) * len(operands)


def _let(kind: str) -> Forward:
    return lambda w, *operands: w.let(kind, *operands)


def _forward_sign(w: Writer, x: Operand) -> Operand:
    return w.select(w.let("gt", x, 0.0), 1.0, w.select(w.let("lt", x, 0.0), -1.0, 0.0))


def _inverse_root(sign: float) -> Reverse:
    return _unary(lambda w, _r, x: w.mul(sign, w.reciprocal(w.let("sqrt", _one_minus_square(w, x)))))


#: Rules of the elementary operations: how they are written forward, and in reverse.
RULES: dict[str, tuple[Forward, Reverse]] = {
    "add": (lambda w, a, b: w.add(a, b), _add),
    "sub": (lambda w, a, b: w.sub(a, b), _sub),
    "mul": (lambda w, a, b: w.mul(a, b), _mul),
    "div": (lambda w, a, b: w.div(a, b), _div),
    "neg": (lambda w, a: w.neg(a), _neg),
    "pow": (_forward_pow, _pow),
    "minimum": (_let("minimum"), _least("lt")),
    "maximum": (_let("maximum"), _least("gt")),
    "clamp_low": (_let("clamp_low"), _clamp_low),
    "clamp_high": (_let("clamp_high"), _clamp_high),
    "clamp": (lambda w, x, low, high: w.let("clamp_high", w.let("clamp_low", x, low), high), _clamp),
    "where": (lambda w, c, a, b: w.select(c, a, b), _where),
    "abs": (_let("abs"), _abs),
    "exp": (lambda w, x: w.exp(x), _unary(lambda _w, r, _x: r)),
    "expm1": (_let("expm1"), _unary(lambda w, r, _x: w.add(r, 1.0))),
    "log": (lambda w, x: w.positive(x, w.log_of_positive(x), -math.inf), _unary(lambda w, _r, x: w.reciprocal(x))),
    "log1p": (_let("log1p"), _unary(lambda w, _r, x: w.reciprocal(w.add(x, 1.0)))),
    "sqrt": (_let("sqrt"), _unary(lambda w, r, _x: w.div(0.5, r))),
    "sin": (_let("sin"), _unary(lambda w, _r, x: w.let("cos", x))),
    "cos": (_let("cos"), _unary(lambda w, _r, x: w.neg(w.let("sin", x)))),
    "tan": (_let("tan"), _unary(lambda w, r, _x: w.add(1.0, w.mul(r, r)))),
    "asin": (_let("asin"), _inverse_root(1.0)),
    "acos": (_let("acos"), _inverse_root(-1.0)),
    "atan": (_let("atan"), _unary(lambda w, _r, x: w.reciprocal(w.add(1.0, w.mul(x, x))))),
    "tanh": (_let("tanh"), _unary(lambda w, r, _x: _one_minus_square(w, r))),
    "sigmoid": (_let("sigmoid"), _unary(lambda w, r, _x: w.mul(r, w.sub(1.0, r)))),
    "relu": (lambda w, x: w.let("clamp_low", x, 0.0), lambda w, d, _r, x: (w.select(w.let("gt", x, 0.0), d, 0.0),)),
    "sign": (_forward_sign, _condition),
    "floor": (_let("floor"), _condition),
    "ceil": (_let("ceil"), _condition),
    "round": (_let("round"), _condition),
    "detach": (lambda _w, x: x, _condition),
    **{kind: (_let(kind), _condition) for kind in ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor", "not")},
}

#: Operations whose slopes are finite whatever they work on: a sensitivity of zero stays zero.
FINITE = ("add", "sub", "neg", "minimum", "maximum", "clamp_low", "clamp_high", "clamp", "where", "abs", "relu", "tanh", "sigmoid", "exp")
