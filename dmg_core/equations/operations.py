"""What equations are made of once they are traced: elementary operations, and the tape of a step; no more than names and numbers."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

#: Operations whose results are conditions.
CONDITIONS = ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor", "not")

#: Name of an input or of an operation, or a constant.
Operand: TypeAlias = "str | float | bool"


class Operation(NamedTuple):
    """One elementary operation."""

    name: str
    """What its result is called."""
    kind: str
    """Which operation, see :data:`dmg_core.equations.rules.RULES`."""
    operands: tuple[Operand, ...]
    """What it works on."""
    line: str
    """Where it stands in the model, ``file:line``."""
    equation: Tape | None = None
    """Of ``solve``: the function whose root it is, of the unknown and then of all operands but the two bounds."""


class Tape(NamedTuple):
    """A function as elementary operations, in the order of execution.

    An operand is a name, of an input or of an earlier operation, or a constant.
    """

    name: str
    """Of the model or function, for messages and names of code."""
    inputs: tuple[str, ...]
    """Names of all inputs, in order."""
    operations: tuple[Operation, ...]
    """Elementary operations."""
    results: tuple[Operand, ...]
    """What the function returns, in order."""


class Implicit(NamedTuple):
    """How a step is made that is the solution of equations."""

    parts: int
    """Equal parts of a step."""
    length: float
    """Length of a part, days."""
    tolerance: float
    """Largest residual of a solution (:class:`~dmg_core.models.RateModel`)."""


class StepTape(NamedTuple):
    """The tape of a step and what its inputs and results are called; inputs are named ``s_SP``, ``p_BETA``, ``x_P``.

    The tape of a step that is solved is that of :meth:`~dmg_core.models.RateModel.update`, and has estimates of the stores, ``u_SP``, and
    the length ``h`` of a part of a step among its inputs.
    """

    tape: Tape
    """Inputs: stores, parameters, forcings, site [, estimates, length]; results: stores, then fluxes."""
    stores: tuple[str, ...]
    """Names of stores, in declared order."""
    parameters: tuple[str, ...]
    """Symbols of parameters, in declared order."""
    ranges: tuple[tuple[float, float], ...]
    """Their declared ranges: exponents outside of these are not looked for at zero."""
    forcings: tuple[str, ...]
    """Names of forcings, in declared order."""
    site: tuple[str, ...]
    """Names of what :meth:`~dmg_core.models.ProcessModel.site` gives, in its order."""
    fluxes: tuple[str, ...]
    """Names of fluxes, in declared order."""
    scheme: Implicit | None = None
    """How the step is solved, if it is."""
