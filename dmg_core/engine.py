"""One trained model and the state of many catchments.

An :class:`Engine` holds a network once and a row of arrays for each catchment. Catchments are stepped one by one, all together, or
through whole series; in any mixture the numbers are those of one batch run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dmg_core.arrays import INCREMENTS, CatchmentArrays
from dmg_core.attributes import attribute_table, needed_attributes, require_finite
from dmg_core.backends import make_backend
from dmg_core.calibration import Calibration
from dmg_core.catchment import Catchment
from dmg_core.errors import AttributeTableError
from dmg_core.forcing import require_series
from dmg_core.identity import Identity, identity_of
from dmg_core.model import DeltaModel, load_model, model_reader
from dmg_core.state import require_like
from dmg_core.static_parameters import StaticParameters

FloatArray = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

#: Selection of no outputs.
_NO_OUTPUTS = np.empty(0, np.int64)


class Engine:
    """A model and its catchments.

    Parameters
    ----------
    model : DeltaModel
        The model; the engine puts it on ``device`` and in evaluation mode.
    device : str
        Torch device, such as ``cpu`` or ``cuda``.
    backend : {"auto", "compiled", "torch"}
        ``compiled`` is machine code for CPU; ``torch`` works on every device; ``auto`` takes the former on CPU, the latter elsewhere.
    threads : int
        Threads that :meth:`run` and :meth:`step` of the compiled backend may use.
    reload : callable, optional
        Gives the model anew. With it, the weights of the network behind static parameters, most of a model's memory, are let go once all
        catchments have theirs; catchments added later bring them back for a moment.

    Attributes
    ----------
    outputs : tuple of str
        All outputs of the process model.
    attribute_names : tuple of str
        Attributes a catchment must have.
    arrays : CatchmentArrays
        State and constants of the catchments.
    calibration : Calibration
        Parameters set from outside.

    Raises
    ------
    ConfigError
        If the backend is unknown or does not work on the device.
    """

    def __init__(
        self,
        model: DeltaModel,
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
        reload: Callable[[], DeltaModel] | None = None,
    ) -> None:
        self.model = model.eval()
        self._static_parameters = StaticParameters(model, reload)
        self.calibration = Calibration(model)
        self.outputs = model.physics.layout.outputs
        self._all_outputs = np.arange(len(self.outputs))
        self.attribute_names = needed_attributes(model)
        self._ids: list[str] = []
        self.arrays = CatchmentArrays.allocate(model, 0)
        self._backend = make_backend(model, device, backend, threads)
        self._backend.bind(self.arrays)
        self._unsettled = False
        count = len(model.physics.process.forcings)
        self._one_forcing = np.empty((1, 1, count))
        self._set_weather = partial(Struct(f"{count}d").pack_into, self._one_forcing.reshape(-1), 0)
        self._one_result = np.empty((len(self.outputs), 1, 1))

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        dtype: str | torch.dtype = "float32",
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
        keep_static_network: bool = False,
    ) -> Engine:
        """Make an engine of its own from a model folder; see :func:`shared_engine` for one shared by a process.

        Parameters
        ----------
        folder : str or Path
            Model folder; see :func:`dmg_core.load_model`.
        dtype : str or torch.dtype
            Precision of the network. Stores are float64 always.
        device, backend, threads
            See the class.
        keep_static_network : bool
            Keep the weights behind static parameters in memory; worth it where catchments are added now and then.
        """
        reload = None if keep_static_network else model_reader(folder, dtype)
        return cls(load_model(folder, dtype), device, backend, threads, reload)

    def __len__(self) -> int:
        """Return the number of catchments."""
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """Catchment ids, in row order."""
        return tuple(self._ids)

    def add(self, attributes: Mapping[str, Any], ids: Iterable[str] | None = None) -> list[Catchment]:
        """Add catchments that start from nothing.

        Their static parameters are computed when first needed, together with those of all others that wait.

        Parameters
        ----------
        attributes : mapping of str to array-like (N,)
            Values by name, a table with such columns included; those the model does not need are ignored.
        ids : iterable of str, optional
            Names for messages; row numbers by default.

        Returns
        -------
        list of Catchment
            N handles.

        Raises
        ------
        AttributeTableError
            If attributes are missing, of different lengths or non-finite. Nothing is added then.
        """
        values = attribute_table(attributes, self.attribute_names)
        count, first = len(values), len(self)
        names = [str(name) for name in ids] if ids is not None else [str(row) for row in range(first, first + count)]
        if len(names) != count:
            raise AttributeTableError(f"{len(names)} ids for {count} catchments")
        require_finite(values, names, self.attribute_names)
        if first + count > self.arrays.capacity:
            self.arrays.grow(self.model, max(first + count, 2 * self.arrays.capacity))
            self._backend.bind(self.arrays)
        self.arrays.place(self.model, slice(first, first + count), dict(zip(self.attribute_names, values.T, strict=True)))
        self._ids += names
        self._unsettled = True
        return [Catchment(self, row) for row in range(first, first + count)]

    def withdraw(self, catchment: Catchment) -> None:
        """Take back the catchment that was added last.

        Raises
        ------
        ValueError
            If it is not the last one.
        """
        if catchment.row != len(self) - 1:
            raise ValueError(f"catchment {catchment.id} was not added last")
        self._ids.pop()
        self.calibration.forget(catchment.row)
        self.arrays.clear(self.model, catchment.row)

    def step(self, forcing: npt.ArrayLike) -> dict[str, FloatArray]:
        """Advance all catchments by one step.

        Parameters
        ----------
        forcing : array-like, shape (N, F)
            Forcings of the process model in declared order; of HBV precipitation (mm per step), temperature (°C) and potential
            evapotranspiration (mm per step).

        Returns
        -------
        dict of str to ndarray (N,)
            All of :attr:`outputs`.

        Raises
        ------
        ForcingError
            If the forcing has the wrong shape or is not finite.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        series = np.ascontiguousarray(forcing, np.float64)[None]
        require_series(series, self._ids, self.model.physics.process.forcings)
        self._settle(slice(0, len(self)))
        return {name: values[0] for name, values in self._advance(0, len(self), series, self._all_outputs).items()}

    def run(self, forcing: npt.ArrayLike, outputs: Sequence[str] | None = None) -> dict[str, FloatArray]:
        """Advance all catchments through a series, going on from their current state; see :meth:`run_rows`."""
        return self.run_rows(slice(0, len(self)), forcing, outputs)

    def run_rows(self, rows: slice, forcing: npt.ArrayLike, outputs: Sequence[str] | None = None) -> dict[str, FloatArray]:
        """Advance some catchments through a series, going on from their current state.

        The first series that catchments are run through also fixes their static parameters where these come from a series (HBV 1.0 and
        1.1p); see :meth:`settle_from_series`.

        Parameters
        ----------
        rows : slice
            The catchments, N of them.
        forcing : array-like, shape (T, N, F)
            See :meth:`step`.
        outputs : sequence of str, optional
            Which outputs are wanted, by default all; fewer need less memory.

        Returns
        -------
        dict of str to ndarray (T, N)
            Fluxes per step, stores at the end of the step, in the units of the process model.

        Raises
        ------
        ForcingError
            If the forcing has the wrong shape or is not finite.
        StateError
            If static parameters are to come from a series without steps.
        """
        series = np.ascontiguousarray(forcing, np.float64)
        require_series(series, self._ids[rows], self.model.physics.process.forcings)
        selection = self._all_outputs if outputs is None else self.model.physics.layout.places(outputs)
        if self.model.static_from_series:
            self.settle_from_series(rows, series)
        else:
            self._settle(rows, more_to_come=rows != slice(0, len(self)))
        return self._advance(rows.start, rows.stop, series, selection)

    def advance(self, row: int, *weather: float) -> FloatArray:
        """Advance one catchment by one step; the fast path under :meth:`Catchment.step`.

        Parameters
        ----------
        row : int
            Which catchment.
        *weather : float
            One value of each forcing, in declared order.

        Returns
        -------
        ndarray, shape (len(outputs),)
            The outputs; the same array at every call.
        """
        if self._unsettled:
            self._settle(slice(row, row + 1))
        self._set_weather(*weather)
        self._advance_one(row)
        return self._one_result[:, 0, 0]

    def budget(self) -> dict[str, FloatArray]:
        """Balance of each catchment since it started, or since :meth:`reset_budget`.

        Returns
        -------
        dict of str to ndarray (N,)
            Sums of what the process model declares to count (of HBV precipitation, regional exchange, positive: gained, aet, streamflow
            and leakage by bounds of stores, negative: created, mm), increments (:func:`dmg_core.assimilation.set_state`) and re-anchoring
            (:meth:`reanchored`), the change of storage (stores, and what is in transit), and the residual, which is rounding alone.
        """
        rows = slice(0, len(self))
        self.catch_up(rows)
        budget = self.arrays.balance(self.model, rows)
        budget["reanchoring"] = self.reanchored(rows)
        signs = self.model.physics.layout.budget
        gained, lost = ([budget[name] for name, sign in signs.items() if sign == wanted] for wanted in (1.0, -1.0))
        residual = sum([*gained, budget[INCREMENTS], budget["reanchoring"]], np.zeros(len(self)))
        for term in (*lost, budget["storage_change"]):
            residual = residual - term
        budget["residual"] = residual
        return budget

    def reset_budget(self, rows: slice | None = None) -> None:
        """Start the sums of the water budget anew, of all catchments or of some, from the water there is."""
        rows = slice(0, len(self)) if rows is None else rows
        self.catch_up(rows)
        self.arrays.budget[rows] = 0.0
        self.arrays.initial_storage[rows] = self.arrays.storage(self.model, rows)

    def catch_up(self, rows: slice) -> None:
        """Do what is due before the state of some catchments is looked at or changed: nothing but in multi-timescale runs."""

    def reanchored(self, rows: slice) -> FloatArray:
        """Water put into the stores of some catchments by starting anew from another model, mm: none but in multi-timescale runs."""
        return np.zeros(rows.stop - rows.start)

    def state_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays, a row for each catchment, that are its state (:class:`dmg_core.arrays.CatchmentArrays`)."""
        return self.arrays.state(with_parameters=self.model.static_from_series)

    @cached_property
    def identity(self) -> Identity:
        """What model the states of this engine belong to."""
        return identity_of(self._static_parameters.whole_model())

    def capture(self, rows: slice) -> dict[str, npt.NDArray[Any]]:
        """Copy the state of some catchments: arrays with one row for each.

        Raises
        ------
        StateError
            If static parameters that come from a series are not known yet.
        """
        if self.model.static_from_series:
            self._settle(rows)
        self.catch_up(rows)
        return {name: array[rows].copy() for name, array in self.state_arrays().items()}

    def restore(self, row: int, state: Mapping[str, npt.NDArray[Any]], where: str) -> None:
        """Set the state of a catchment.

        Parameters
        ----------
        row : int
            The catchment.
        state : mapping of str to ndarray
            Its row of each array of :meth:`capture`; arrays of other names are ignored.
        where : str
            Where the state comes from, for messages.

        Raises
        ------
        StateError
            If arrays are missing, misshapen, of another type or not finite; nothing is changed then.
        """
        arrays = self.state_arrays()
        for name, array in arrays.items():
            require_like(name, state, array[row], where)
        for name, array in arrays.items():
            array[row] = state[name]
        if self.model.static_from_series:
            self.arrays.settled[row] = True

    def _settle(self, rows: slice, *, more_to_come: bool = False) -> None:
        """Make sure that ``rows`` have their static parameters; with more rows to come, the network for it is kept till then.

        Those that follow from attributes are computed for all catchments that wait for them.
        """
        waiting = self._waiting()
        if self.model.static_from_series:
            self._static_parameters.require_settled(self.arrays, rows, self._ids)
            self._unsettled = len(waiting) > 0
            return
        self._static_parameters.from_attributes(self.arrays, waiting, keep_network=more_to_come)
        self.calibration.apply(self.arrays, waiting)
        self._unsettled = more_to_come

    def settle_from_series(self, rows: slice, series: FloatArray) -> None:
        """Fix the static parameters of those of ``rows`` that wait for them, without advancing any.

        They are the network's outputs at the end of a series, as in the batch runs that 1.0 and 1.1p models are trained with.

        Parameters
        ----------
        rows : slice
            Catchments, N of them.
        series : ndarray, shape (T, N, F)
            See :meth:`run_rows`.

        Raises
        ------
        StateError
            If the series has no steps.
        """
        places = np.flatnonzero(~self.arrays.settled[rows])
        if not len(places):
            return
        waiting = rows.start + places
        self._static_parameters.from_series(self.arrays, waiting, series[:, places])
        self.calibration.apply(self.arrays, waiting)
        _log.info("static parameters of %d catchments are fixed by the end of a series of %d steps", len(waiting), len(series))
        self._unsettled = len(self._waiting()) > 0

    def _waiting(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(~self.arrays.settled[: len(self)])

    def _advance(self, first: int, last: int, series: FloatArray, selection: npt.NDArray[np.int64]) -> dict[str, FloatArray]:
        results = np.empty((len(selection), len(series), last - first))
        if len(series) and last > first:
            self._advance_rows(first, last, series, selection, results)
        return {self.outputs[place]: values for place, values in zip(selection, results, strict=True)}

    def _advance_rows(self, first: int, last: int, series: FloatArray, selection: npt.NDArray[np.int64], results: FloatArray) -> None:
        """Advance rows whose static parameters are known; see :meth:`dmg_core.backends.Backend.advance`."""
        self._backend.advance(first, last, series, selection, results)

    def _advance_one(self, row: int) -> None:
        """Advance a row through the one step of weather that is set, with all outputs."""
        self._backend.advance(row, row + 1, self._one_forcing, self._all_outputs, self._one_result)

    def _run_through(self, first: int, last: int, series: FloatArray) -> None:
        """Advance rows through a series without looking at outputs."""
        if len(series):
            self._backend.advance(first, last, series, _NO_OUTPUTS, np.empty((0, len(series), last - first)))
