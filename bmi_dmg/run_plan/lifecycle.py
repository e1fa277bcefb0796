"""BMI objects from construction to finalize, handled as ngen handles them; any Python BMI class will do."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bmipy import Bmi

from bmi_dmg.run_folder.realization import STEP_SECONDS, Formulation
from bmi_dmg.run_folder.units import seconds_per
from dmg_core.errors import ConfigError, DmgError

logger = logging.getLogger(__name__)

Constructor = Callable[[], Bmi]

#: What ``get_var_type`` may say for ngen to read a variable, and the arrays it then uses.
NGEN_TYPES: dict[str, type[np.generic]] = {"float64": np.float64, "float": np.float64, "float32": np.float32, "int": np.int64}


class RunError(DmgError):
    """Raise if a BMI object fails; the message names the catchment and, while stepping, the time."""


@contextmanager
def bmi_errors(doing: str) -> Iterator[None]:
    """Turn whatever a BMI object raises in the block into a :class:`RunError`.

    Parameters
    ----------
    doing : str
        What was being done, for the message.
    """
    try:
        yield
    except Exception as error:
        raise RunError(f"{doing}: {type(error).__name__}: {error}") from error


def load_class(python_type: str) -> Constructor:
    """Import the class that ``python_type`` (``package.module.Class``) names.

    Raises
    ------
    ConfigError
        If the module cannot be imported or has no such class.
    """
    module_name, _, class_name = python_type.rpartition(".")
    if not module_name:
        raise ConfigError(f"python_type '{python_type}' must have the form module.Class")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(f"python_type '{python_type}' cannot be imported: {type(error).__name__}: {error}") from error
    bmi_class = getattr(module, class_name, None)
    if not callable(bmi_class):
        raise ConfigError(f"python_type '{python_type}': module '{module_name}' has no class '{class_name}'")
    construct: Constructor = bmi_class
    return construct


def initialized(construct: Constructor, formulation: Formulation, catchment: str) -> Bmi:
    """Make a catchment's BMI object as ngen does: construct, ``initialize``, set ``model_params``.

    Raises
    ------
    RunError
        If any of it raises.
    """
    path = formulation.config_of(catchment)
    with bmi_errors(f"{catchment}: initialize('{path}') failed"):
        model = construct()
        model.initialize(path)
    for name, value in formulation.model_params.items():
        with bmi_errors(f"{catchment}: model_params '{name}' could not be set"):
            model.set_value(name, np.atleast_1d(np.array(value, dtype=describe(model, name).dtype)))
    return model


@dataclass(frozen=True)
class Variable:
    """What a BMI object says of one of its variables.

    Attributes
    ----------
    name : str
        BMI name.
    units : str
        Its unit.
    dtype : type
        Type of the arrays ngen exchanges for it.
    n_items : int
        Values per catchment.
    """

    name: str
    units: str
    dtype: type[np.generic]
    n_items: int


def describe(model: Bmi, name: str) -> Variable:
    """Ask an object about one of its variables.

    Raises
    ------
    RunError
        If the object raises, as it does for unknown names.
    ConfigError
        If the type and item size it declares are none that ngen exchanges.
    """
    with bmi_errors(f"variable '{name}'"):
        declared, itemsize, n_bytes = model.get_var_type(name), int(model.get_var_itemsize(name)), model.get_var_nbytes(name)
        units = model.get_var_units(name)
    dtype = NGEN_TYPES.get(declared)
    if dtype is None or np.dtype(dtype).itemsize != itemsize:
        raise ConfigError(f"variable '{name}' has type '{declared}' with {itemsize} bytes, which ngen cannot exchange; use 'float64'")
    return Variable(name, units, dtype, int(n_bytes) // itemsize)


def interface_of(model: Bmi) -> tuple[tuple[Variable, ...], tuple[str, ...]]:
    """Give the inputs and the output names of an object.

    Raises
    ------
    RunError, ConfigError
        See :func:`describe`.
    """
    with bmi_errors("the names of inputs and outputs"):
        inputs, outputs = tuple(model.get_input_var_names()), tuple(model.get_output_var_names())
    return tuple(describe(model, name) for name in inputs), outputs


class Clock:
    """A BMI object's time, against ngen's hourly steps.

    Attributes
    ----------
    step : float
        One hour in the object's time unit.
    start : float
        Its time before the first of these steps.
    """

    def __init__(self, model: Bmi) -> None:
        """Ask an initialised object for its time unit and time."""
        self._model = model
        self.step = STEP_SECONDS / seconds_per(model.get_time_units())
        self.start = model.get_current_time()

    def after(self, n_steps: int) -> float:
        """Time in the object's unit after a number of hours."""
        return self.start + n_steps * self.step

    def advance(self) -> Callable[[], None]:
        """Give what advances the object by an hour: ``update``, or ``update_until`` if its own step is another."""
        if self._model.get_time_step() == self.step:
            return self._model.update

        def update_until_next_hour() -> None:
            self._model.update_until(self._model.get_current_time() + self.step)

        return update_until_next_hour


def finalize_all(models: Sequence[tuple[str, Bmi]]) -> list[str]:
    """Call ``finalize`` on every object, whatever the others do.

    Parameters
    ----------
    models : sequence of (str, Bmi)
        Catchment ids and objects.

    Returns
    -------
    list of str
        One message for each that raised; the traceback goes to the log.
    """
    failures = []
    for catchment, model in models:
        try:
            model.finalize()
        except Exception as error:
            logger.exception("%s: finalize failed", catchment)
            failures.append(f"{catchment}: finalize failed: {type(error).__name__}: {error}")
    return failures


@contextmanager
def working_in(folder: Path, module_path: Path | None) -> Iterator[None]:
    """Make ``folder`` the working directory and importable, and ``module_path`` importable, for the block.

    Both come last on the search path, whatever stood there: installed packages are never shadowed by a file that a run folder happens, or
    is made, to hold.
    """
    before, search_path = Path.cwd(), sys.path.copy()
    own = [str(path) for path in (module_path, folder) if path is not None]
    # A relative entry, such as the '' of 'python -c', means the working directory: it keeps meaning the one it was given in.
    others = [os.path.normpath(before / entry) if (before / entry).exists() else entry for entry in search_path]
    os.chdir(folder)
    sys.path[:] = [*(entry for entry in others if not _is_among(entry, own)), *own]
    try:
        yield
    finally:
        sys.path[:] = search_path
        os.chdir(before)


def _is_among(entry: str, folders: Sequence[str]) -> bool:
    return any(os.path.realpath(entry) == os.path.realpath(folder) for folder in folders)
