"""The catchments of a model: a row of arrays for each, their names, static parameters, states and water budgets.

:class:`dmg_core.Engine` steps them.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dmg_core.attributes import attribute_table, require_finite
from dmg_core.engine.arrays import INCREMENTS, CatchmentArrays
from dmg_core.engine.calibration import Calibration
from dmg_core.engine.finite import require_numbers
from dmg_core.engine.forcing import require_series
from dmg_core.engine.identity import Identity, identity_of
from dmg_core.engine.kept_rows import KeptPart, StaticRow
from dmg_core.engine.remembered import ATTRIBUTES, CALIBRATION, described, require_stores, require_unchanged, tell_changed_calibration
from dmg_core.engine.rows import checked_row, checked_rows
from dmg_core.engine.state import require_like
from dmg_core.engine.static_parameters import StaticParameters
from dmg_core.engine.turns import in_turn
from dmg_core.errors import AttributeTableError, CatchmentError, CheckpointError
from dmg_core.model_form import KeptForm, ModelForm, needed_attributes
from dmg_core.models.layout import TOTAL
from dmg_core.spread import Spread

if TYPE_CHECKING:
    from dmg_core.model import DeltaModel

FloatArray = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)


class Catchments(ABC):
    """Catchments of one model, which several threads may use in turn.

    Parameters
    ----------
    model : ModelForm
        The model, in evaluation mode.
    reload, kept
        See :class:`dmg_core.Engine`.

    Attributes
    ----------
    attribute_names, arrays, calibration, lock
        See :class:`dmg_core.Engine`.
    spread : Spread or None
        Calibrated quantiles of the flow, where the model folder has them; they have no state, and take no part in a step.
    """

    spread: Spread | None = None
    #: Called, with the catchments, whenever static parameters may have been computed.
    when_computed: Callable[[Any], None] | None = None

    def __init__(self, model: ModelForm, reload: Callable[[], DeltaModel] | None, kept: KeptPart | None = None) -> None:
        self.lock = RLock()
        self.model = model
        self._kept = kept
        self._static_parameters = StaticParameters(model, reload)
        self.calibration = Calibration(model, self.lock)
        self.attribute_names = needed_attributes(model)
        self._ids: list[str] = []
        self._names: Counter[str] = Counter()
        self._described: list[FloatArray] = []
        self._restored: dict[int, tuple[FloatArray, str]] = {}
        self.arrays = CatchmentArrays.allocate(model, 0)
        self._unsettled = False
        self._filled = 0  # rows of which is noted what follows from their attributes

    @abstractmethod
    def _bind(self) -> None:
        """Use the arrays anew, after they have grown."""

    def __len__(self) -> int:
        """Return the number of catchments."""
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """Catchment ids, in row order."""
        return tuple(self._ids)

    def __contains__(self, catchment_id: object) -> bool:
        """Whether there is a catchment of that name."""
        return self._names[str(catchment_id)] > 0

    def _place(self, attributes: Mapping[str, Any], ids: Iterable[str] | None, *, repeated: bool) -> range:
        """Add catchments; see :meth:`dmg_core.Engine.add`. Give their rows."""
        values = attribute_table(attributes, self.attribute_names)
        count, first = len(values), len(self)
        names = [str(name) for name in ids] if ids is not None else [str(row) for row in range(first, first + count)]
        if len(names) != count:
            raise AttributeTableError(f"{len(names)} ids for {count} catchments")
        require_finite(values, names, self.attribute_names)
        if not repeated:
            self._require_free(names)
        if first + count > self.arrays.capacity:
            self.arrays.grow(self.model, max(first + count, 2 * self.arrays.capacity))
            self._bind()
        self._ids += names
        self._names.update(names)
        self._described += list(values)
        self._unsettled = True
        return range(first, first + count)

    def _fill(self) -> None:
        """Note what is known of catchments that were added since: what follows from attributes, and static parameters that are kept."""
        rows = slice(self._filled, len(self))
        if rows.start == rows.stop:
            return
        self._filled, ids, attributes = rows.stop, self._ids[rows], np.stack(self._described[rows])
        by_name = dict(zip(self.attribute_names, attributes.T, strict=True))
        found = [None if self._kept is None else self._kept.find(*each) for each in zip(ids, attributes, strict=True)]
        known = [one for one in found if one is not None]
        self.arrays.place(self.model, rows, by_name, np.stack([one.site for one in known]) if len(known) == len(found) > 0 else None)
        places = np.array([row for row, one in enumerate(found, rows.start) if one is not None], np.int64)
        if len(places):
            self.arrays.parameters[places] = np.stack([one.parameters for one in known])
            self.arrays.hydrograph[places] = np.stack([one.hydrograph for one in known])
            self.arrays.settled[places] = True
            self.calibration.apply(self.arrays, places)

    def _require_free(self, names: Sequence[str]) -> None:
        for name, times in Counter(names).items():
            if times > 1 or name in self:
                raise CatchmentError(f"two catchments would be called {name}; each needs a name of its own")

    def _remove_last(self) -> None:
        self._names[self._ids.pop()] -= 1
        self._described.pop()
        row = len(self)
        self._filled = min(self._filled, row)
        self._restored.pop(row, None)
        self.calibration.forget(row)
        self.arrays.clear(self.model, row)

    def catch_up(self, rows: slice) -> None:
        """Do what is due before the state of some catchments is looked at or changed: nothing but in multi-timescale runs."""
        checked_rows(rows, len(self))

    @in_turn
    def budget(self) -> dict[str, FloatArray]:
        """Balance of each catchment since it started, or since :meth:`reset_budget`.

        Returns
        -------
        dict of str to ndarray (N,)
            Sums of what the process model declares to count (of HBV precipitation, regional exchange, positive: gained, aet, streamflow
            and leakage by bounds of stores, negative: created, mm), increments from outside
            (:func:`~dmg_core.engine.state_access.set_state`), re-anchoring (:meth:`reanchored`), the change of storage (stores, and
            what is in transit), and the residual, which is rounding alone.
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

    @in_turn
    def reset_budget(self, rows: slice | None = None) -> None:
        """Start the sums of the water budget anew, of all catchments or of some, from the water there is."""
        rows = checked_rows(slice(None) if rows is None else rows, len(self))
        self.catch_up(rows)
        self.arrays.budget[rows] = 0.0
        self.arrays.initial_storage[rows] = self.arrays.storage(self.model, rows)

    def reanchored(self, rows: slice) -> FloatArray:
        """Water put into the stores of some catchments by starting anew from another model, mm: none but in multi-timescale runs."""
        rows = checked_rows(rows, len(self))
        return np.zeros(rows.stop - rows.start)

    def state_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays, a row for each catchment, that are its state (:class:`dmg_core.engine.arrays.CatchmentArrays`)."""
        return self.arrays.state(with_parameters=self.model.static_from_series)

    @cached_property
    def identity(self) -> Identity:
        """What model the states of this engine belong to."""
        with self.lock:
            return identity_of(self.model if isinstance(self.model, KeptForm) else self._static_parameters.whole_model())

    def _require_numbers(self, first: int, last: int, results: FloatArray | None = None) -> None:
        """Refuse to go on where a step had no solution; see :func:`dmg_core.engine.finite.require_numbers`."""
        require_numbers(self.model.physics.process, self._ids[first:last], self.arrays.stores[first:last], results)

    def give_spread(self, spread: Spread, where: str) -> None:
        """Add calibrated quantiles to the model; states of this engine are of the model with them from then on.

        Parameters
        ----------
        spread : Spread
            Of the flow of this model.
        where : str
            Where it comes from, for messages.

        Raises
        ------
        CheckpointError
            If the model steps otherwise than by the day, or does not have the flow, outputs or attributes that it needs.
        """
        process, outputs = self.model.physics.process, self.model.physics.layout.outputs
        if process.steps_per_day != 1:
            steps = f"{process.name} has {process.steps_per_day} steps a day"
            raise CheckpointError(f"{where}: the spread is one of daily flow, and {steps}; remove it")
        missing = [name for name in (TOTAL, *spread.predictors) if name not in outputs]
        missing += [name for name in spread.attributes if name not in self.attribute_names]
        if missing:
            raise CheckpointError(f"{where}: the spread needs {', '.join(missing)}, which the model does not have; calibrate it anew")
        self.identity = self.identity.with_part("spread", spread.digest)
        self.spread = spread

    @in_turn
    def capture(self, rows: slice) -> dict[str, npt.NDArray[Any]]:
        """Copy the state of some catchments, and what it is to remember of them: arrays with one row for each.

        Raises
        ------
        StateError
            If static parameters that come from a series are not known yet.
        """
        rows = checked_rows(rows, len(self))
        if self.model.static_from_series:
            self._static_parameters.require_settled(self.arrays, rows, self._ids)
        self.catch_up(rows)
        state = {name: array[rows].copy() for name, array in self.state_arrays().items()}
        places = range(rows.start, rows.stop)
        state[ATTRIBUTES] = np.array(self._described[rows]).reshape(len(places), len(self.attribute_names))
        shape = (len(places), len(self.calibration.parameters), 3)
        state[CALIBRATION] = np.array([self._calibration_of(row) for row in places]).reshape(shape)
        return state

    def _calibration_of(self, row: int) -> FloatArray:
        """Give the parameters set from outside under which the state of a row has come about."""
        return self._restored[row][0] if row in self._restored else self.calibration.to_array(row)

    @in_turn
    def restore(self, row: int, state: Mapping[str, npt.NDArray[Any]], where: str, *, accept_changes: bool = False) -> None:
        """Set the state of a catchment.

        Parameters set from outside stay as they are set now; those that were others when the state was written are told in the log with
        the first step.

        Parameters
        ----------
        row : int
            The catchment.
        state : mapping of str to ndarray
            Its row of each array of :meth:`capture`; arrays of other names are ignored.
        where : str
            Where the state comes from, for messages.
        accept_changes : bool
            Whether a state that was written for other attributes is a warning, not an error.

        Raises
        ------
        StateError
            If arrays are missing, misshapen, of another type or not finite, stores are below 0, or the catchment had other attributes;
            nothing is changed then.
        """
        row = checked_row(row, len(self))
        self.require_restorable(row, state, where, accept_changes=accept_changes)
        self._take_over(row, state, where)

    def require_restorable(self, row: int, state: Mapping[str, npt.NDArray[Any]], where: str, *, accept_changes: bool) -> None:
        """Refuse a state that a catchment cannot go on from; see :meth:`restore`."""
        for name, array in self.state_arrays().items():
            require_like(name, state, array[row], where)
        require_stores(self.model.physics.process, state, where, self._ids[row])
        described(state, CALIBRATION, (len(self.calibration.parameters), 3), where)
        attributes = described(state, ATTRIBUTES, (len(self.attribute_names),), where)
        if attributes is not None:
            now = self._described[row]
            require_unchanged(self.attribute_names, attributes, now, where, self._ids[row], accept=accept_changes)

    def _take_over(self, row: int, state: Mapping[str, npt.NDArray[Any]], where: str) -> None:
        """Let a catchment go on from a state that has been looked at."""
        calibration = state.get(CALIBRATION)
        for name, array in self.state_arrays().items():
            array[row] = state[name]
        if self.model.static_from_series:
            self.arrays.settled[row] = True
            self.calibration.apply(self.arrays, np.array([row]))
        self._restored.pop(row, None)
        if calibration is not None:
            self._restored[row] = calibration.copy(), where
            self._unsettled = True

    def _tell_changes(self, rows: slice) -> None:
        """Say which of ``rows`` go on from a state with other parameters set from outside: at the first step, when all are set."""
        asked = range(rows.start, rows.stop)
        for row in asked if len(asked) < len(self._restored) else list(self._restored):
            if row in asked and row in self._restored:
                tell_changed_calibration(self.calibration, row, *self._restored[row], self._ids[row])
                del self._restored[row]

    def _settle(self, rows: slice, *, more_to_come: bool = False) -> None:
        """Make sure that ``rows`` have their static parameters; with more rows to come, the network for it is kept till then.

        Those that follow from attributes are computed for all catchments that wait for them.
        """
        self._fill()
        self._tell_changes(rows)
        waiting = self._waiting()
        if self.model.static_from_series:
            self._static_parameters.require_settled(self.arrays, rows, self._ids)
            self._unsettled = len(waiting) > 0 or bool(self._restored)
            self._tell_computed()
            return
        self._static_parameters.from_attributes(self.arrays, waiting, keep_network=more_to_come)
        if self._kept is not None and len(waiting):
            self._keep(self._kept, waiting)  # before they are changed from outside
        self.calibration.apply(self.arrays, waiting)
        self._unsettled = more_to_come or bool(self._restored)
        if not more_to_come:
            self._tell_computed()

    def _keep(self, kept: KeptPart, rows: npt.NDArray[np.int64]) -> None:
        arrays = self.arrays
        kept.take(
            [self._ids[row] for row in rows],
            np.stack([self._described[row] for row in rows]),
            StaticRow(arrays.parameters[rows], arrays.hydrograph[rows], arrays.site[rows]),
        )

    def whole_model(self) -> Any:
        """Give the model with all its weights."""
        return self._static_parameters.whole_model()

    def _tell_computed(self) -> None:
        if self.when_computed is not None:
            self.when_computed(self)

    @in_turn
    def compute_static_parameters(self) -> None:
        """Compute the static parameters of all catchments that wait for theirs, as far as they follow from attributes."""
        if self.model.static_from_series:
            self._tell_computed()
        else:
            self._settle(slice(0, len(self)))

    @in_turn
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
        ForcingError
            If it has the wrong shape or is impossible.
        """
        rows, series = checked_rows(rows, len(self)), np.ascontiguousarray(series, np.float64)
        require_series(series, self._ids[rows], self.model.physics.process.forcings)
        self._settle_from_series(rows, series)

    def _settle_from_series(self, rows: slice, series: FloatArray) -> None:
        self._fill()
        self._tell_changes(rows)
        places = np.flatnonzero(~self.arrays.settled[rows])
        if not len(places):
            return
        waiting = rows.start + places
        self._static_parameters.from_series(self.arrays, waiting, series[:, places])
        self.calibration.apply(self.arrays, waiting)
        _log.info("static parameters of %d catchments are fixed by the end of a series of %d steps", len(waiting), len(series))
        self._unsettled = len(self._waiting()) > 0 or bool(self._restored)

    def _waiting(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(~self.arrays.settled[: len(self)])
