"""Assimilation while a catchment is stepped: observed flow corrects its stores when the time of an observation has passed.

What a hindcast finds from a reference time is found here too: windows are cut from a run without assimilation, which is stepped beside the
one that is corrected. All that takes is kept in arrays that are part of the catchment's state, so a restart goes on with the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.analysis import analyse
from dmg_core.assimilation.applying import go_on_from
from dmg_core.assimilation.following import fractions_of, require_followable, state_of
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Array, Windows
from dmg_core.engine.engine import Catchment
from dmg_core.engine.state import require_like

LOGGER = logging.getLogger(__name__)

#: How the arrays of :meth:`Cycle.state` are called in a state.
PREFIX: Final = "assimilation_"


class Cycle:
    """Corrects one catchment.

    Parameters
    ----------
    catchment : Catchment
        Of an engine of compiled code.
    observed : mapping of datetime64 to float
        Flow, mm per step, by starts of steps.
    window, every : int
        Steps of a window, and from one analysis to the next at least.
    settings : AnalysisSettings
        How analyses are made.

    Raises
    ------
    ConfigError
        If nothing can be assimilated into the model.
    """

    def __init__(
        self, catchment: Catchment, observed: Mapping[np.datetime64, float], window: int, every: int, settings: AnalysisSettings
    ) -> None:
        engine = catchment.engine
        require_followable(engine)
        self._catchment, self._rows = catchment, slice(catchment.row, catchment.row + 1)
        self._observed, self._window, self._every, self._settings = observed, window, every, settings
        physics = engine.model.physics
        shape, transit = (physics.nmul, len(physics.process.stores)), physics.routing.steps - 1
        self._arrays = {
            "counts": np.zeros(2),  # steps seen, steps since the last analysis
            "first_stores": np.zeros(shape),  # without assimilation, at the beginning of the window
            "first_in_transit": np.zeros(transit),
            "last_stores": np.zeros(shape),  # and now
            "last_in_transit": np.zeros(transit),
            "mean": np.zeros(shape),  # of the latter before each step seen, and sums of squares about it
            "squares": np.zeros(shape),
            "forcing": np.zeros((window, len(physics.process.forcings))),  # the newest last
            "fractions": np.zeros((window, len(physics.dynamic_parameters), physics.nmul)),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Give all that must survive a restart; live."""
        return {PREFIX + name: array for name, array in self._arrays.items()}

    def require_fits(self, state: Mapping[str, NDArray[Any]], where: str) -> None:
        """Refuse a state of another window or model; one without assimilation will do.

        Raises
        ------
        StateError
            Naming the array.
        """
        if any(name in state for name in self.state()):
            for name, array in self.state().items():
                require_like(name, state, array, where)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state, or begin anew from one without assimilation."""
        for name, array in self.state().items():
            array[...] = state.get(name, 0.0)

    def advance(self, row: int, *weather: float, time: np.datetime64) -> Array:
        """Advance the catchment by one step, and correct it if that step was observed.

        Parameters
        ----------
        row : int
            Of the catchment.
        *weather : float
            See :meth:`dmg_core.Engine.advance`.
        time : datetime64
            Start of the step.

        Returns
        -------
        ndarray
            The outputs of the step.
        """
        engine, arrays = self._catchment.engine, self._arrays
        with engine.lock:
            if arrays["counts"][0] == 0.0:
                self._begin()
            outputs = engine.advance(row, *weather)
            self._note(np.array(weather))
            value = self._observed.get(time)
            counts = arrays["counts"]
            if value is not None and np.isfinite(value) and counts[0] >= self._window and counts[1] >= self._every:
                self._analyse(time)
                counts[1] = 0.0
        return outputs

    def _begin(self) -> None:
        """Begin the run without assimilation where the catchment stands."""
        self._catchment.engine.catch_up(self._rows)
        stores, in_transit = state_of(self._catchment.engine, self._rows)
        for end in ("first", "last"):
            self._arrays[f"{end}_stores"][...] = stores[0]
            self._arrays[f"{end}_in_transit"][...] = in_transit[0]

    def _note(self, weather: Array) -> None:
        """Take the run without assimilation a step on, and the beginning of the window, too, once it is full."""
        arrays = self._arrays
        if arrays["counts"][0] >= self._window:
            self._take_on("first", arrays["forcing"][0], arrays["fractions"][0])
        for name, newest in (("forcing", weather), ("fractions", fractions_of(self._catchment.engine, self._rows)[0])):
            arrays[name][:-1] = arrays[name][1:]
            arrays[name][-1] = newest
        arrays["counts"] += 1.0
        difference = arrays["last_stores"] - arrays["mean"]
        arrays["mean"] += difference / arrays["counts"][0]
        arrays["squares"] += difference * (arrays["last_stores"] - arrays["mean"])
        self._take_on("last", arrays["forcing"][-1], arrays["fractions"][-1])

    def _take_on(self, end: str, weather: Array, fractions: Array) -> None:
        windows = self._windows(weather[None], fractions[None], end, np.full((1, 1), np.nan))
        run = windows.run(windows.stores, windows.forcing, windows.in_transit)
        self._arrays[f"{end}_stores"][...] = run.stores[0]
        self._arrays[f"{end}_in_transit"][...] = run.in_transit[0]

    def _windows(self, forcing: Array, fractions: Array, end: str, observed: Array) -> Windows:
        engine, arrays = self._catchment.engine, self._arrays
        physics, constants = engine.model.physics, engine.arrays
        return Windows(
            physics.process,
            physics.dynamic_parameters,
            (f"catchment {self._catchment.id}",),
            forcing[:, None].copy(),
            fractions[:, None].copy(),
            constants.parameters[self._rows].copy(),
            constants.site[self._rows].copy(),
            constants.hydrograph[self._rows].copy(),
            arrays[f"{end}_stores"][None].copy(),
            arrays[f"{end}_in_transit"][None].copy(),
            np.sqrt(arrays["squares"] / max(arrays["counts"][0], 1.0))[None],
            arrays["mean"][None].copy(),
            observed,
        )

    def _analyse(self, time: np.datetime64) -> None:
        """Analyse the window that ends with the step that begins at a time, and let the catchment go on from where it ends."""
        step = np.timedelta64(1, np.datetime_data(time.dtype)[0])
        times = time + step * np.arange(1 - self._window, 1)
        observed = np.array([[self._observed.get(one, np.nan)] for one in times])
        windows = self._windows(self._arrays["forcing"], self._arrays["fractions"], "first", observed)
        known = np.array([value for at, value in self._observed.items() if at <= time and np.isfinite(value)])
        analysis = analyse(windows, self._settings, np.array([known.std() if len(known) > 1 else 0.0]))
        if not analysis.taken[0]:
            LOGGER.warning("catchment %s: the analysis of %s is %s", self._catchment.id, time, analysis.outcome[0])
            return
        LOGGER.debug("catchment %s: the analysis of %s is taken: %s", self._catchment.id, time, analysis.outcome[0])
        go_on_from([self._catchment], windows.run(*analysis.start))
