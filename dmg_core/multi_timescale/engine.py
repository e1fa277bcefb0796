"""The engine of a multi-timescale model: that of its hourly model, and one of its daily model that anchors it now and then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.checkpoint.spellings import MULTI_TIMESCALE
from dmg_core.deferred import torch
from dmg_core.engine.arrays import budget_columns
from dmg_core.engine.engine import Catchment, Engine
from dmg_core.engine.identity import Identity, identity_of
from dmg_core.engine.kept_rows import KeptPart
from dmg_core.engine.rows import checked_rows
from dmg_core.engine.turns import in_turn
from dmg_core.model_form import ModelForm
from dmg_core.multi_timescale.calibration import CoupledCalibration
from dmg_core.multi_timescale.coupling import HOURS_PER_DAY, Coupling
from dmg_core.multi_timescale.kept_pair import KeptPair
from dmg_core.multi_timescale.kernels import AGGREGATES, compiled_gather_days, compiled_transfer_states, transfer_weights
from dmg_core.multi_timescale.windows import Windows

if TYPE_CHECKING:
    from dmg_core.multi_timescale.model import MultiTimescaleModel

Array = npt.NDArray[Any]

#: Of a model whose static parameters are kept nowhere.
_NOTHING_KEPT: Final[Mapping[str, KeptPart]] = MappingProxyType({})


class MultiTimescaleEngine(Engine):
    """A multi-timescale model and its catchments: an engine of the hourly model, stepped by the hour.

    At the start of a day, all catchments that stand there are taken together: a day leaves the window of hours for the daily model, and
    the hourly model is re-anchored if that is due. This happens when the first of them is stepped, or looked at (:meth:`catch_up`), so
    that what is seen does not depend on the others.

    Parameters
    ----------
    model : MultiTimescaleModel or KeptPair
        The model, or what was kept of it.
    coupling : Coupling
        When and from what the hourly model starts; windows that are not given are those of the model's training.
    device, backend, threads, reload
        See :class:`dmg_core.Engine`.
    kept : mapping of str to KeptPart
        See there; of the two models, ``hourly`` and ``daily``.

    Attributes
    ----------
    daily : Engine
        The daily model, with the same catchments in the same rows.
    coupling : Coupling
        With all windows.
    windows : Windows
        The weather that is kept.

    Raises
    ------
    ConfigError
        If the backend is unknown or does not work on the device.
    """

    def __init__(
        self,
        model: MultiTimescaleModel | KeptPair,
        coupling: Coupling,
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
        reload: Callable[[], MultiTimescaleModel] | None = None,
        kept: Mapping[str, KeptPart] = _NOTHING_KEPT,
    ) -> None:
        hourly_anew = None if reload is None else lambda: reload().hourly
        daily_anew = None if reload is None else lambda: reload().daily
        super().__init__(model.hourly, device, backend, threads, hourly_anew, kept.get("hourly"))
        self.daily = Engine(model.daily, device, backend, threads, daily_anew, kept.get("daily"))
        self.coupling = coupling.with_windows(model.days, model.hours)
        hourly, daily = model.hourly.physics.process, model.daily.physics.process
        self._precision = model.hourly.precision
        self.windows = Windows.allocate(self.coupling, len(hourly.forcings), self._precision, 0)
        self._not_simulated = _sums_of_what_is_not_simulated(model.hourly)
        self._stands_still_until = self.coupling.first if self.coupling.lead_in == "zero" else 0
        self.calibration = CoupledCalibration(model.hourly, self.daily, self.lock)
        self.attribute_names = model.attribute_names
        self._pair = model
        self._transfer_weights = transfer_weights(model.transfer)
        self._transfer = compiled_transfer_states(self._precision)
        self._gather_days = compiled_gather_days(self._precision)
        self._aggregates = np.array([AGGREGATES.index(forcing.aggregate) for forcing in daily.forcings], np.int64)

    @classmethod
    def of_folder(
        cls,
        folder: str | Path,
        coupling: Coupling,
        dtype: str | torch.dtype = "float32",
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
    ) -> MultiTimescaleEngine:
        """Make an engine from a model folder; see :meth:`dmg_core.Engine.from_folder`."""
        from dmg_core.multi_timescale.model import load_multi_timescale_model  # needs torch

        return cls(load_multi_timescale_model(folder, dtype), coupling, device, backend, threads)

    def whole_model(self) -> Any:
        """Give the model with all its weights."""
        return self._pair

    @in_turn
    def add(self, attributes: Mapping[str, Any], ids: Iterable[str] | None = None, *, repeated: bool = False) -> list[Catchment]:
        """Add catchments that start from nothing; see :meth:`dmg_core.Engine.add`."""
        catchments = super().add(attributes, ids, repeated=repeated)
        self.daily.add(attributes, [catchment.id for catchment in catchments], repeated=repeated)
        if self.arrays.capacity > len(self.windows.hours_seen):
            self.windows.grow(self.coupling, self.arrays.capacity)
        return catchments

    @in_turn
    def withdraw(self, catchment: Catchment) -> None:
        """Take back the catchment that was added last; see :meth:`dmg_core.Engine.withdraw`."""
        super().withdraw(catchment)
        self.daily.withdraw(Catchment(self.daily, catchment.row))
        fresh = Windows.allocate(self.coupling, self.windows.hour_window.shape[2], self._precision, 1)
        for name, array in vars(self.windows).items():
            array[catchment.row] = getattr(fresh, name)[0]

    @in_turn
    def catch_up(self, rows: slice) -> None:
        """Begin the day of those of ``rows`` that stand at the start of one."""
        rows = checked_rows(rows, len(self))
        if self._stand_at_a_start(rows):
            self._begin_days()

    @in_turn
    def reset_budget(self, rows: slice | None = None) -> None:
        """Start the sums of the water budget anew; see :meth:`dmg_core.Engine.reset_budget`."""
        super().reset_budget(rows)
        self.windows.reanchored[slice(0, len(self)) if rows is None else rows] = 0.0

    @in_turn
    def reanchored(self, rows: slice) -> npt.NDArray[np.float64]:
        """Water that re-anchoring has put into the stores since the sums began, mm; negative: taken out."""
        return self.windows.reanchored[checked_rows(rows, len(self))].copy()

    @cached_property
    def identity(self) -> Identity:
        """What model, coupled how, the states of this engine belong to."""
        coupling, daily, hourly = self.coupling, identity_of(self._pair.daily), identity_of(self._pair.hourly)
        description = {
            **hourly.description,
            "network": MULTI_TIMESCALE,
            "daily_hidden_size": daily.description["hidden_size"],
            "cycle_days": coupling.cycle_days,
            "daily_mode": coupling.daily_mode,
            "daily_warmup_days": coupling.days,
            "hourly_mode": coupling.hourly_mode,
            "hourly_warmup_hours": coupling.hours,
        }
        digest = hashlib.sha256(json.dumps([description, daily.digest, hourly.digest], sort_keys=True).encode())
        for array in self._transfer_weights:
            digest.update(np.ascontiguousarray(array).data)
        return Identity(description, digest.hexdigest())

    def state_arrays(self) -> dict[str, Array]:
        """Arrays, a row for each catchment, that are its state."""
        # The water of the daily model is none of the budget's.
        daily = {} if self.coupling.starts_afresh else {**self.daily.arrays.network, "stores": self.daily.arrays.stores}
        going_on = {f"daily_{name}": array for name, array in daily.items()}
        return {**super().state_arrays(), **vars(self.windows), **going_on}

    def _settle(self, rows: slice, *, more_to_come: bool = False) -> None:
        self.daily._settle(rows, more_to_come=more_to_come)
        super()._settle(rows, more_to_come=more_to_come)

    def _advance_one(self, row: int) -> None:
        """Advance a row by an hour; within a day nothing else is to be done than to keep it."""
        windows = self.windows
        now = windows.hours_seen.item(row)
        if now % HOURS_PER_DAY == 0 or now < self._stands_still_until:
            self._advance_alike(row, row + 1, self._one_forcing, self._all_outputs, self._one_result)
            return
        super()._advance_one(row)
        windows.hour_window[row, now % windows.hour_window.shape[1]] = self._one_forcing[0, 0]
        windows.hours_seen[row] = now + 1

    def _advance_rows(self, first: int, last: int, series: Array, selection: Array, results: Array) -> None:
        """Advance rows hour by hour, day by day; those that have seen the same number of hours together."""
        for begin, end in _alike(self.windows.hours_seen, first, last):
            if (begin, end) == (first, last):
                self._advance_alike(first, last, series, selection, results)
                continue
            part = np.empty((*results.shape[:2], end - begin))
            self._advance_alike(begin, end, np.ascontiguousarray(series[:, begin - first : end - first]), selection, part)
            results[:, :, begin - first : end - first] = part

    def _advance_alike(self, first: int, last: int, series: Array, selection: Array, results: Array) -> None:
        steps, t = len(series), 0
        while t < steps:
            now = int(self.windows.hours_seen[first])
            if now == 0:
                self._begin_day(first, last, now)
            elif now % HOURS_PER_DAY == 0 and self._stand_at_a_start(slice(first, last)):
                self._begin_days()
            length = min(steps - t, HOURS_PER_DAY - now % HOURS_PER_DAY)
            hours = series[t : t + length]
            whole = length == steps
            part = results if whole else np.empty((len(selection), length, last - first))
            self._advance_hours(first, last, now, hours, selection, part)
            if not whole:
                results[:, t : t + length] = part
            self.windows.take_hours(slice(first, last), now, hours)
            t += length

    def _advance_hours(self, first: int, last: int, now: int, hours: Array, selection: Array, results: Array) -> None:
        """Advance the hourly model; in a lead-in that is not simulated it stands still, and its rain counts as leaked."""
        if now < self._stands_still_until:
            results[...] = 0.0
            for hour in hours:  # one by one, so that the sums are those of any cutting
                for place, forcing in self._not_simulated:
                    self.arrays.budget[first:last, place] += hour[:, forcing]
            return
        self._backend.advance(first, last, hours, selection, results)
        self._require_numbers(first, last, results)

    def _stand_at_a_start(self, rows: slice) -> bool:
        """Whether some rows have a day to begin; the first one begins with its first hour."""
        return bool(self._waiting_for_a_day(rows).any())

    def _waiting_for_a_day(self, rows: slice) -> Array:
        seen, begun = self.windows.hours_seen[rows], self.windows.day_begun[rows]
        waiting: Array = (seen % HOURS_PER_DAY == 0) & (begun != seen) & (seen > 0) & self.arrays.settled[rows]
        return waiting

    def _begin_days(self) -> None:
        """Begin the day of all rows that stand at the start of one."""
        seen = self.windows.hours_seen
        for begin, end in _stretches(self._waiting_for_a_day(slice(0, len(self)))):
            for alike in _alike(seen, begin, end):
                self._begin_day(*alike, int(seen[alike[0]]))

    def _begin_day(self, first: int, last: int, now: int) -> None:
        days_passed = (now - self.coupling.hours) // HOURS_PER_DAY
        if days_passed > 0:
            self._pass_day_on(first, last, days_passed)
        if self.coupling.is_due(now):
            self._reanchor(first, last, now, days_passed)
        self.windows.day_begun[first:last] = now

    def _pass_day_on(self, first: int, last: int, days_passed: int) -> None:
        """Give the day that leaves the window of hours, day ``days_passed - 1``, to the daily model or to the window of days."""
        windows = self.windows
        day = np.empty((1, last - first, windows.hour_window.shape[2]))
        place = HOURS_PER_DAY * (days_passed - 1) % windows.hour_window.shape[1]
        self._gather_days(first, last, place, windows.hour_window, self._aggregates, day[0])
        if self.coupling.starts_afresh:
            windows.day_window[first:last, (days_passed - 1) % self.coupling.days] = day[0]
        else:
            self.daily._run_through(first, last, day)

    def _reanchor(self, first: int, last: int, now: int, days_passed: int) -> None:
        """Let the hourly model go on from the daily one, and run it through the hours since."""
        rows, arrays, daily = slice(first, last), self.arrays, self.daily.arrays
        before, budget = arrays.storage(self.model, rows), arrays.budget[rows].copy()
        if self.coupling.starts_afresh:
            for part in daily.network.values():
                part[rows] = 0.0
            daily.stores[rows] = self.daily.model.physics.layout.initial
            self.daily._run_through(first, last, self.windows.last_days(rows, days_passed))
        arrays.stores[rows] = self.model.physics.layout.initial
        daily_stores = [store.name for store in self.daily.model.physics.process.stores]
        for place, store in enumerate(self.model.physics.process.stores):
            if store.name in daily_stores:
                arrays.stores[rows, :, place] = daily.stores[rows, :, daily_stores.index(store.name)]
        arrays.in_transit[rows] = 0.0
        states = (daily.network["h"], daily.network["c"], arrays.network["h"], arrays.network["c"])
        self._transfer(first, last, *states, self._transfer_weights)
        self._run_through(first, last, self.windows.last_hours(rows, now, self.coupling.hours))
        arrays.budget[rows] = budget
        self.windows.reanchored[rows] += arrays.storage(self.model, rows) - before


def _sums_of_what_is_not_simulated(model: ModelForm) -> list[tuple[int, int]]:
    """Places of the sums of the budget to which forcing goes that is not simulated, with that of the forcing: it enters and is cut off."""
    columns, process = budget_columns(model), model.physics.process
    clipped = [columns.index(flux.name) for flux in process.fluxes if flux.balance == "clipping"][:1]
    entering = [(columns.index(one.label), place) for place, one in enumerate(process.forcings) if one.enters]
    return [*entering, *((place, forcing) for place in clipped for _, forcing in entering)]


def _alike(values: Array, first: int, last: int) -> list[tuple[int, int]]:
    """Split rows ``first`` … ``last - 1`` where values of neighbours differ."""
    if last - first == 1:
        return [(first, last)]
    bounds = [first, *(first + 1 + np.flatnonzero(np.diff(values[first:last]))).tolist(), last]
    return list(pairwise(bounds))


def _stretches(wanted: Array) -> Iterator[tuple[int, int]]:
    """First row and end of each stretch of rows that are wanted."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
