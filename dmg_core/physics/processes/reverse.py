"""What the reverse equations have in common.

A process and its reverse stand together: the reverse takes what the process takes and, named ``d…``, the sensitivities of a result to what
the process gives, and returns those to what it takes. Where a function has a kink the conventions are torch's: a bound that is just met
lets the sensitivity through, and two equal arguments of a minimum share it.
"""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity


def first_of_least(op: Operations) -> Function:
    """Share of the sensitivity to ``minimum(a, b)`` that belongs to ``a``; the rest is that of ``b``."""
    where = op.where

    def equation(a: Quantity, b: Quantity) -> Quantity:
        return where(a < b, 1.0, where(a == b, 0.5, 0.0))

    return op.compiled(equation)


def saturating_power(op: Operations) -> Function:
    """Slopes of ``clip(x**b, 0, 1)`` for ``x > 0``: returns the value and its derivatives by ``x`` and by ``b``."""
    where, power, log = op.where, op.power, op.log

    def equation(x: Quantity, b: Quantity) -> tuple[Quantity, Quantity, Quantity]:
        y = power(x, b)
        full = y > 1.0
        return where(full, 1.0, y), where(full, 0.0, b * y / x), where(full, 0.0, y * log(x))

    return op.compiled(equation)
