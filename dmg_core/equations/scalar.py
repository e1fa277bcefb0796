"""Functions of a few numbers as machine code, from ordinary PyTorch functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dmg_core.equations.kept_tapes import is_of_package, kept_function
from dmg_core.equations.operations import Operand, Tape
from dmg_core.equations.source import Code, function_of, statements_of, write_forward
from dmg_core.equations.writer import Writer


def compile_scalar(function: Callable[..., Any]) -> Any:
    """Compile a function of tensors for compiled functions that call it with single numbers.

    Exponential and logarithm are the library's: there is nothing to vectorise. Python calls the result through
    :func:`~dmg_core.equations.compilation.callable_from_python` alone.

    Parameters
    ----------
    function : callable
        Takes positional arguments and returns one tensor.

    Returns
    -------
    callable
        For compiled functions; its name tells its content.

    Raises
    ------
    ConfigError
        If it cannot be traced (:func:`~dmg_core.equations.tape.trace_function`).
    """
    names = tuple(inspect.signature(function).parameters)
    tape, writer = _tape(function, names), Writer()
    values: dict[str, Operand] = {name: f"x_{name}" for name in names}
    (result,) = write_forward(tape, writer, values)
    statements, _ = statements_of(writer, {"return": result})
    head = f"def {function.__name__}({', '.join(f'x_{name}' for name in names)}):"
    return function_of(Code(function.__name__, head, statements, "    "), vectorised=False, inline=True, **writer.functions)


def _tape(function: Callable[..., Any], names: tuple[str, ...]) -> Tape:
    def traced() -> Tape:
        from dmg_core.equations.tape import trace_function  # needs torch

        return trace_function(function, names)

    return kept_function(function, traced) if is_of_package(function) else traced()
