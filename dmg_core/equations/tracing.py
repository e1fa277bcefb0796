"""Equations run once with stand-ins for their quantities, which note what happens to them, and at which line of the model.

What would need the number behind a quantity is refused, with the line and what to write instead. :mod:`dmg_core.equations.tape` makes
elementary operations of what was noted.
"""

from __future__ import annotations

import difflib
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import fx
from torch.fx.proxy import GraphAppendingTracer

from dmg_core.errors import ConfigError, DmgError
from dmg_core.models.rate_model import RateModel
from dmg_core.models.solving import solve

#: Folders whose files are not the user's: lines of a model are looked for outside of them.
_NOT_A_MODEL = (
    *(str(Path(module).parent) for module in (torch.__file__, __file__)),
    *(str(sys.modules[each.__module__].__file__) for each in (RateModel, solve)),
)

#: What takes a number out of a quantity, and where an equation would have to know the number.
_NUMBERS = (
    "needs the number behind a quantity (float(), .item(), math.…, numpy)",
    "equations are traced before there are numbers: write torch.exp for math.exp, and so on",
)


class Namespace:
    """Quantities of one kind by name; an unknown name is an error that lists near misses.

    Parameters
    ----------
    model : str
        Name of the model, for messages.
    letter : str
        What the namespace is called in the equations: ``s``, ``p`` or ``x``.
    kind : str
        What it holds, for messages, such as ``"parameters"``.
    values : mapping of str to Any
        The quantities.
    """

    def __init__(self, model: str, letter: str, kind: str, values: Mapping[str, Any]) -> None:
        vars(self).update(values, _origin=(model, letter, kind))

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse a name that is not declared."""
        if name.startswith("__"):
            raise AttributeError(name)
        model, letter, kind = vars(self)["_origin"]
        known = [each for each in vars(self) if each != "_origin"]
        near = difflib.get_close_matches(name, known, 1, 0.5) or [each for each in known if each.lower() == name.lower()]
        hint = f"; did you mean {letter}.{near[0]}?" if near else ""
        listed = ", ".join(known) or "none"
        raise ConfigError(f"{model}: {_place()}{letter}.{name} is not among the declared {kind}{hint} (declared: {listed})")

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change a quantity."""
        model, letter, _ = vars(self)["_origin"]
        raise ConfigError(f"{model}: {_place()}{letter}.{name} is assigned; give the new value a name and return it")


@dataclass(frozen=True)
class _Line:
    """A line of a model."""

    file: str
    number: int

    def __str__(self) -> str:
        text = linecache.getline(self.file, self.number).strip()
        return f"{self.file}, line {self.number}{f' ({text})' if text else ''}: "


def _line() -> _Line | None:
    """_Line of the model that is being run, seen from the code it calls."""
    frame = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_NOT_A_MODEL):
            return _Line(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _place() -> str:
    return str(_line() or "")


def line_of(error: BaseException) -> _Line | None:
    """Find the line of the model at which an error came up."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(_NOT_A_MODEL)]
    return _Line(frames[-1].filename, frames[-1].lineno or 0) if frames else None


class _Stand(fx.Proxy):
    """Stand-in for a quantity; whatever would need its value is refused."""

    tracer: Tracer

    def _refuse(self, problem: str, remedy: str) -> NoReturn:
        raise ConfigError(f"{self.tracer.model}: {_place()}{problem}; {remedy}")

    def __bool__(self) -> bool:
        self._refuse(
            "decides on the value of a quantity (if, while, and, or, min, max)",
            "write torch.where(condition, a, b), torch.minimum, torch.maximum, and &, |, ~ for conditions",
        )

    def __iter__(self) -> Any:
        self._refuse("loops over the data of a quantity", "a step sees one value of each quantity; loop over Python numbers")

    def __getitem__(self, key: object) -> Any:
        self._refuse(f"takes part {key!r} of a quantity", "a step sees one value of each quantity: declare each by a name of its own")

    def __setitem__(self, key: object, value: object) -> None:
        self._refuse("writes into a quantity", "give the new value a name of its own")

    def _changed_in_place(self, _: object) -> NoReturn:
        self._refuse("changes a quantity in place (+=, -=, *=, /=)", "torch would change the store or forcing itself: write a = a + b")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __ifloordiv__ = __imod__ = _changed_in_place
    __iand__ = __ior__ = __ixor__ = _changed_in_place

    def __len__(self) -> int:
        self._refuse("asks for the length of a quantity", "a step sees one value of each quantity")

    def __contains__(self, value: object) -> bool:
        self._refuse("looks into a quantity", "write a comparison")

    def __float__(self) -> float:
        self._refuse(*_NUMBERS)

    def __int__(self) -> int:
        self._refuse(*_NUMBERS)

    def __index__(self) -> int:
        self._refuse(*_NUMBERS)

    def __complex__(self) -> complex:
        self._refuse(*_NUMBERS)

    def __array__(self, *_: object, **__: object) -> Any:
        self._refuse(*_NUMBERS)

    def __array_ufunc__(self, *_: object, **__: object) -> Any:
        self._refuse(*_NUMBERS)

    def __format__(self, _: str) -> str:
        self._refuse(*_NUMBERS)

    def __abs__(self) -> Any:
        return torch.abs(self)  # type: ignore[arg-type]  # what fx is for

    def __round__(self, *_: object) -> Any:
        self._refuse("rounds a quantity by round()", "write torch.round, whose gradient is zero")


def unknown() -> None:
    """Stand in a graph for what an equation is solved for."""


def root() -> None:
    """Stand in a graph for the root of a function: of the unknown, the function's value, and the bounds."""


class Tracer(GraphAppendingTracer):
    """Notes what happens to stand-ins, and at which line."""

    def __init__(self, model: str) -> None:
        super().__init__(fx.Graph())
        self.model = model

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Give a stand-in that refuses what would need its value."""
        return _Stand(node, self)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """Note a call with the line of the model that makes it."""
        node = super().create_node(*args, **kwargs)
        node.meta["line"] = _line()
        return node

    def solve(self, function: Callable[[Any], Any], lower: Any, upper: Any) -> fx.Proxy:
        """Note a function of an unknown, and its root; see :func:`dmg_core.models.solving.solve`."""
        x = self.create_proxy("call_function", unknown, (), {})
        return self.create_proxy("call_function", root, (x, function(x), lower, upper), {})

    def create_arg(self, a: Any) -> Any:
        """Take constants that are single numbers."""
        if isinstance(a, torch.Tensor):
            if a.numel() != 1:
                shape = tuple(a.shape)
                raise ConfigError(f"{self.model}: {_place()}a constant tensor of shape {shape} is used; constants are single numbers")
            return a.item()
        if isinstance(a, np.generic):
            return a.item()
        return super().create_arg(a)


def add_input(tracer: Tracer, name: str) -> fx.Proxy:
    """Give the stand-in for an input."""
    node = tracer.graph.placeholder(name)
    node.meta["input"] = name
    return tracer.proxy(node)


def run_equations(title: str, call: Callable[[], Any], problem: str = "the equations cannot be traced") -> Any:
    """Run equations; any error of theirs becomes one that names model and line.

    Raises
    ------
    ConfigError
        Saying the problem.
    """
    try:
        return call()
    except DmgError:
        raise
    except Exception as error:
        line = line_of(error)
        raise ConfigError(
            f"{title}: {line or ''}{problem}: {type(error).__name__}: {error}; "
            "write them with torch's functions of single quantities, or set compiled = False"
        ) from error
