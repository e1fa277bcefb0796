"""The water budget of every catchment of a run, read from the BMI objects at its end.

A class that knows ngen's mass balance gives four terms; ours also tells where the water came from and went, and how often weather was
missing. A class that knows neither has no table.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from bmi_dmg.bmi.hidden_variables import MISSING_HOURS
from bmi_dmg.bmi.mass_balance import BUDGET, MASS_TERMS
from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.bmi.protocols import NGEN
from bmi_dmg.driver.cf import ArrayForm
from bmi_dmg.run_folder.units import converter
from bmi_dmg.run_plan.lifecycle import RunError, bmi_errors
from dmg_core.errors import ConfigError

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

_MILLIMETRES: Final = "mm"


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes
    ----------
    name : str
        Its name.
    units : str
        Unit of its values.
    values : NDArray[np.float64], shape (N,)
        One for each catchment.
    """

    name: str
    units: str
    values: Array


class BudgetReader:
    """Reads the budgets of a run: made before its first step, it gives what has been added since.

    Parameters
    ----------
    models : sequence of (str, Bmi)
        Catchment ids and initialised objects of one class.
    """

    def __init__(self, models: Sequence[tuple[str, Bmi]]) -> None:
        self._models = models
        first = models[0][1]
        self._signs = _signs_of(first)
        self._terms = list(self._signs)
        self._inputs = tuple(first.get_input_var_names()) if _knows(first, [MISSING_HOURS]) else ()
        self._before = self._read()

    def since_start(self) -> list[Column]:
        """Read what has been added since, with the residual; nothing if the class has no such terms.

        Raises
        ------
        RunError
            If an object raises.
        """
        added = [Column(old.name, old.units, new.values - old.values) for old, new in zip(self._before, self._read(), strict=True)]
        terms, missing = added[: len(self._terms)], added[len(self._terms) :]
        if not terms:
            return missing
        # One by one: numpy's sum over an axis takes another order where there is but one catchment.
        signed = (sign * column.values for sign, column in zip(self._signs.values(), terms, strict=True))
        residual = sum(signed, start=np.zeros(len(self._models)))
        return [*terms, Column("residual", terms[0].units, residual), *missing]

    def _read(self) -> list[Column]:
        columns = [self._term(name) for name in self._terms]
        if self._inputs:
            hours = np.array([_value(model, catchment, MISSING_HOURS) for catchment, model in self._models])
            columns += [Column(f"missing_{name}", "h", values) for name, values in zip(self._inputs, hours.T, strict=True)]
        return columns

    def _term(self, name: str) -> Column:
        values = np.array([_value(model, catchment, name)[0] for catchment, model in self._models])
        units = self._models[0][1].get_var_units(name)
        try:
            convert = converter(units, _MILLIMETRES)
        except ConfigError:  # ngen does not ask for a depth: what is none stays as it is
            return Column(name.rpartition("::")[-1], units, values)
        return Column(name.rpartition("::")[-1], _MILLIMETRES, values if convert is None else convert(values))


def _signs_of(model: Bmi) -> dict[str, float]:
    """Give the terms of the balance of a model with their signs: those of our class, or ngen's; none where it knows neither."""
    if isinstance(model, BmiDeltaModel):
        return {BUDGET + name: sign for name, sign in model.budget_terms.items()}
    names = [NGEN + name for name in MASS_TERMS]
    return {name: -1.0 if place else 1.0 for place, name in enumerate(names)} if _knows(model, names) else {}


def _knows(model: Bmi, names: Sequence[str]) -> bool:
    """Whether an object has some hidden variables; one that has not raises, as ngen's conventions ask."""
    try:
        for name in names:
            with bmi_errors(name):
                model.get_var_units(name)
                model.get_value_ptr(name)
    except RunError as error:
        logger.debug("no table of %s: %s", ", ".join(names), error)
        return False
    return True


def _value(model: Bmi, catchment: str, name: str) -> Array:
    with bmi_errors(f"{catchment}: '{name}' cannot be read"):
        return np.array(model.get_value_ptr(name), np.float64)


def write_csv(path: Path, ids: Sequence[str], columns: Sequence[Column]) -> None:
    """Write a table: ``catchment``, then the columns with their units in brackets.

    Parameters
    ----------
    path : Path
        The file.
    ids : sequence of str
        N catchments.
    columns : sequence of Column
        The columns.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["catchment", *(f"{column.name}[{column.units}]" for column in columns)])
        writer.writerows(_rows(ids, columns))


def _rows(ids: Sequence[str], columns: Sequence[Column]) -> Iterator[list[str]]:
    for row, catchment in enumerate(ids):
        yield [catchment, *(f"{column.values[row]:.9g}" for column in columns)]


def budget_arrays(columns: Sequence[Column]) -> Iterator[ArrayForm]:
    """Give the table as arrays of a file of results."""
    for column in columns:
        long_name = f"water budget of the run: {column.name.replace('__', ' ').replace('_', ' ')}"
        yield ArrayForm(
            f"budget_{column.name.replace('~', '_')}", ("catchment",), {"units": column.units, "long_name": long_name}, column.values
        )
