"""The equation compiler: machine code, reverse and Jacobian of any process model, from its step as an ordinary PyTorch function.

A step is traced into elementary operations (:mod:`~dmg_core.equations.tape`), each of which has a rule forward and in reverse
(:mod:`~dmg_core.equations.rules`); from these comes straight-line source (:mod:`~dmg_core.equations.source`) for components that lie side
by side in vector lanes (:mod:`~dmg_core.equations.groups`). Steps that end where equations are solved have a solver made of their tape
(:mod:`~dmg_core.equations.implicit`). What runs it: :mod:`~dmg_core.equations.stepping` an engine's steps,
:mod:`~dmg_core.equations.series` series with gradients, :mod:`~dmg_core.equations.arrays` one step and its Jacobian on arrays,
:mod:`~dmg_core.equations.scalar` functions of a few numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.equations.arrays import Jacobian, Stepped, evaluations, jacobian, jacobian_pattern, step_arrays
    from dmg_core.equations.convention import torch_convention
    from dmg_core.equations.models import tape_of
    from dmg_core.equations.operations import StepTape, Tape
    from dmg_core.equations.scalar import compile_scalar
    from dmg_core.equations.series import simulate_series
    from dmg_core.equations.tape import site_names, trace, trace_function
    from dmg_core.equations.tracing import Namespace

__all__ = [
    "Jacobian",
    "Namespace",
    "StepTape",
    "Stepped",
    "Tape",
    "compile_scalar",
    "evaluations",
    "jacobian",
    "jacobian_pattern",
    "simulate_series",
    "site_names",
    "step_arrays",
    "tape_of",
    "torch_convention",
    "trace",
    "trace_function",
]

__getattr__ = imports_of(__name__, __file__)
