"""One trained model and the state of many catchments.

An :class:`Engine` holds a network once and a row of arrays for each catchment. Catchments are stepped one by one, all together, or
through whole series; in any mixture the numbers are those of one batch run.

Several threads may use an engine: they take turns. Each method holds the engine's lock from its first look at the arrays to its last, so
that catchments which each belong to one thread get the numbers they would get in a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dmg_core.deferred import torch
from dmg_core.engine.backends import Backend, CompiledBackend, make_backend
from dmg_core.engine.catchments import Catchments
from dmg_core.engine.forcing import require_series, require_step
from dmg_core.engine.kept_rows import KeptPart
from dmg_core.engine.rows import checked_row, checked_rows
from dmg_core.engine.turns import in_turn
from dmg_core.errors import CatchmentError, ForcingError
from dmg_core.model_form import ModelForm

if TYPE_CHECKING:
    from dmg_core.model import DeltaModel

FloatArray = npt.NDArray[np.float64]

#: Selection of no outputs.
_NO_OUTPUTS = np.empty(0, np.int64)


class Engine(Catchments):
    """A model and its catchments.

    Parameters
    ----------
    model : DeltaModel or KeptForm
        The model, or what was kept of it; the engine puts it on ``device`` and in evaluation mode.
    device : str
        Torch device, such as ``cpu`` or ``cuda``.
    backend : {"auto", "compiled", "torch"}
        ``compiled`` is machine code for CPU; ``torch`` works on every device; ``auto`` takes the former on CPU, the latter elsewhere.
    threads : int
        Threads that :meth:`run` and :meth:`step` of the compiled backend may use.
    reload : callable, optional
        Gives the model anew. With it, the weights of the network behind static parameters, most of a model's memory, are let go once all
        catchments have theirs; catchments added later bring them back for a moment.
    kept : KeptPart, optional
        Where static parameters of catchments are looked for before they are computed, and kept when they have been.

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
    lock : RLock
        Held by every method while it works. Whoever touches the arrays from outside holds it, too.

    Raises
    ------
    ConfigError
        If the backend is unknown or does not work on the device.
    """

    def __init__(
        self,
        model: ModelForm,
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
        reload: Callable[[], DeltaModel] | None = None,
        kept: KeptPart | None = None,
    ) -> None:
        super().__init__(model.eval(), reload, kept)
        self._backend = self._make_backend(device, backend, threads)
        self._bind()
        self.outputs = model.physics.layout.outputs
        self._all_outputs = np.arange(len(self.outputs))
        count = len(model.physics.process.forcings)
        self._one_forcing = np.empty((1, 1, count))
        self._set_weather = partial(Struct(f"{count}d").pack_into, self._one_forcing.reshape(-1).data, 0)
        self._one_result = np.empty((len(self.outputs), 1, 1))
        self._one_outputs = self._one_result.reshape(-1)
        # As what Python reads single numbers of in half the time; one tells whether the step had a solution: flow, if the model has any.
        self._numbers, target = self._one_outputs.data, model.settings.target
        self._telling = self.outputs.index(target) if target in self.outputs else 0

    def _make_backend(self, device: str, backend: str, threads: int) -> Backend:
        return make_backend(self.model, device, backend, threads)

    def _bind(self) -> None:
        self._backend.bind(self.arrays)

    @property
    def members(self) -> Mapping[str, Engine]:
        """Engines of the members of an ensemble by name, with the same catchments in the same rows; any other model has none."""
        return {}

    @property
    def last_of_members(self) -> Mapping[str, FloatArray]:
        """What each member of an ensemble gave in its last step: outputs (N, O) in the order of its engine's."""
        return {}

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
        from dmg_core.loading import load_model, model_reader  # needs torch

        reload = None if keep_static_network else model_reader(folder, dtype)
        return cls(load_model(folder, dtype), device, backend, threads, reload)

    @in_turn
    def add(self, attributes: Mapping[str, Any], ids: Iterable[str] | None = None, *, repeated: bool = False) -> list[Catchment]:
        """Add catchments that start from nothing.

        Their static parameters are computed when first needed, together with those of all others that wait.

        Parameters
        ----------
        attributes : mapping of str to array-like (N,)
            Values by name, a table with such columns included; those the model does not need are ignored.
        ids : iterable of str, optional
            Their names, no two alike in an engine; row numbers by default.
        repeated : bool
            Whether names may be those of other catchments all the same: several BMI objects can stand for one.

        Returns
        -------
        list of Catchment
            N handles.

        Raises
        ------
        AttributeTableError
            If attributes are missing, of different lengths or non-finite. Nothing is added then.
        CatchmentError
            If two catchments would have one name.
        """
        return [Catchment(self, row) for row in self._place(attributes, ids, repeated=repeated)]

    @property
    def is_compiled(self) -> bool:
        """Whether compiled code steps the catchments."""
        return isinstance(self._backend, CompiledBackend)

    @in_turn
    def withdraw(self, catchment: Catchment) -> None:
        """Take back the catchment that was added last; its handle is of no use afterwards.

        Raises
        ------
        CatchmentError
            If it is not the last one.
        """
        catchment.require_present()
        if catchment.engine is not self or catchment.row != len(self) - 1:
            raise CatchmentError(f"catchment {catchment.id} was not added last")
        self._remove_last()

    @in_turn
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
            If the forcing has the wrong shape, is not finite, or has depths below 0.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        series = np.ascontiguousarray(forcing, np.float64)[None]
        require_series(series, self._ids, self.model.physics.process.forcings)
        self._settle(slice(0, len(self)))
        return {name: values[0] for name, values in self._advance(0, len(self), series, self._all_outputs).items()}

    @in_turn
    def run(self, forcing: npt.ArrayLike, outputs: Sequence[str] | None = None) -> dict[str, FloatArray]:
        """Advance all catchments through a series, going on from their current state; see :meth:`run_rows`."""
        return self.run_rows(slice(0, len(self)), forcing, outputs)

    @in_turn
    def run_rows(self, rows: slice, forcing: npt.ArrayLike, outputs: Sequence[str] | None = None) -> dict[str, FloatArray]:
        """Advance some catchments through a series, going on from their current state.

        The first series that catchments are run through also fixes their static parameters where these come from a series (HBV 1.0 and
        1.1p); see :meth:`settle_from_series`.

        Parameters
        ----------
        rows : slice
            The catchments, N of them, one after the other: start and stop from 0 to ``len(engine)``.
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
            If the forcing has the wrong shape, is not finite, or has depths below 0.
        StateError
            If static parameters are to come from a series without steps.
        CatchmentError
            If the engine has no such rows.
        """
        rows = checked_rows(rows, len(self))
        series = np.ascontiguousarray(forcing, np.float64)
        require_series(series, self._ids[rows], self.model.physics.process.forcings)
        selection = self._all_outputs if outputs is None else self.model.physics.layout.places(outputs)
        if self.model.static_from_series:
            self._settle_from_series(rows, series)
        else:
            self._settle(rows, more_to_come=rows != slice(0, len(self)))
        return self._advance(rows.start, rows.stop, series, selection)

    def advance(self, row: int, *weather: float) -> FloatArray:
        """Advance one catchment by one step; the fast path under :meth:`Catchment.step`.

        Whoever calls it has made sure that the weather is possible, as :meth:`Catchment.step` does.

        Parameters
        ----------
        row : int
            Which catchment.
        *weather : float
            One value of each forcing, in declared order.

        Returns
        -------
        ndarray, shape (len(outputs),)
            The outputs.

        Raises
        ------
        CatchmentError
            If the engine has no such row.
        """
        with self.lock:
            if not 0 <= row < len(self._ids):
                checked_row(row, len(self))
            if self._unsettled:
                self._settle(slice(row, row + 1))
            self._set_weather(*weather)
            self._advance_one(row)
            return self._one_outputs.copy()

    def _advance(self, first: int, last: int, series: FloatArray, selection: npt.NDArray[np.int64]) -> dict[str, FloatArray]:
        results = np.empty((len(selection), len(series), last - first))
        if len(series) and last > first:
            self._advance_rows(first, last, series, selection, results)
        return {self.outputs[place]: values for place, values in zip(selection, results, strict=True)}

    def _advance_rows(self, first: int, last: int, series: FloatArray, selection: npt.NDArray[np.int64], results: FloatArray) -> None:
        """Advance rows whose static parameters are known; see :meth:`dmg_core.engine.backends.Backend.advance`."""
        self._backend.advance(first, last, series, selection, results)
        self._require_numbers(first, last, results)

    def _advance_one(self, row: int) -> None:
        """Advance a row through the one step of weather that is set, with all outputs."""
        self._one_step(row)
        value = self._numbers[self._telling]
        if value != value:
            self._require_numbers(row, row + 1, self._one_result)

    @cached_property
    def _one_step(self) -> Callable[[int], None]:
        """Of the backend; made, and compiled, with the first step."""
        return self._backend.one_step(self._one_forcing, self._all_outputs, self._one_result)

    def _run_through(self, first: int, last: int, series: FloatArray) -> None:
        """Advance rows through a series without looking at outputs."""
        if len(series):
            self._backend.advance(first, last, series, _NO_OUTPUTS, np.empty((0, len(series), last - first)))
            self._require_numbers(first, last)


@dataclass(frozen=True)
class Catchment:
    """Handle of one catchment of an engine.

    Parameters
    ----------
    engine : Engine
        The engine it belongs to.
    row : int
        Its row there.

    Raises
    ------
    CatchmentError
        If there is no such row; and whenever a handle is used whose catchment was withdrawn.
    """

    engine: Engine
    row: int
    #: The attributes of the catchment, one object for as long as it is in the engine.
    _described: npt.NDArray[Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note which catchment has the row now."""
        object.__setattr__(self, "_described", self.engine._described[checked_row(self.row, len(self.engine))])

    def require_present(self) -> None:
        """Refuse a catchment that was withdrawn, also where another one has its row.

        Raises
        ------
        CatchmentError
            If it was.
        """
        described = self.engine._described
        if self.row >= len(described) or described[self.row] is not self._described:
            raise CatchmentError(f"the catchment that was in row {self.row} was withdrawn from its engine")

    @property
    def id(self) -> str:
        """Its name."""
        self.require_present()
        return self.engine._ids[self.row]  # ``ids`` copies them all

    @property
    def attributes(self) -> dict[str, float]:
        """Its attributes by name."""
        self.require_present()
        return dict(zip(self.engine.attribute_names, self._described.tolist(), strict=True))

    def step(self, *weather: float, **by_name: float) -> dict[str, float]:
        """Advance by one step.

        Parameters
        ----------
        *weather, **by_name : float
            One value of each forcing: in declared order, by name, or the first ones in order and the others by name; of HBV
            ``precipitation`` (mm per step), ``temperature`` (°C) and ``pet`` (mm per step).

        Returns
        -------
        dict of str to float
            All outputs of the engine: fluxes per step, stores at its end.

        Raises
        ------
        ForcingError
            If a value is missing, of an unknown name, not finite, or less than it can be.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        forcings = self.engine.model.physics.process.forcings
        names = [forcing.label for forcing in forcings]
        left = names[len(weather) :]
        if len(weather) > len(names) or by_name.keys() != set(left):
            given = ", ".join([*map(str, weather), *(f"{name}={value}" for name, value in by_name.items())]) or "nothing"
            raise ForcingError(f"catchment {self.id}: expected one value each of {', '.join(names)}; found {given}")
        values = (*weather, *(by_name[name] for name in left))
        require_step(values, self.id, forcings)
        return dict(zip(self.engine.outputs, self.engine.advance(self.row, *values).tolist(), strict=True))
