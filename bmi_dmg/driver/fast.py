"""All catchments of a run advanced through many hours at once: the same numbers as hour by hour, bit for bit, without the calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from bmipy import Bmi

from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.bmi.quantiles import quantile_outputs
from bmi_dmg.stepping.batch import HoursToSteps
from bmi_dmg.stepping.daily import HOURS_PER_DAY, DailyStepper
from bmi_dmg.stepping.stepper import Stepper
from dmg_core import Engine
from dmg_core.errors import ConfigError
from dmg_core.spread import Place

FloatArray = npt.NDArray[np.float64]


class FastRun:
    """Advances the BMI objects of a run together.

    Parameters
    ----------
    models : sequence of (str, Bmi)
        Ids and initialised objects of N catchments.
    outputs : sequence of str
        Output variables that are wanted.

    Raises
    ------
    ConfigError
        If the objects are not :class:`bmi_dmg.BmiDeltaModel` with one model folder, or an output is none of theirs.
    """

    def __init__(self, models: Sequence[tuple[str, Bmi]], outputs: Sequence[str]) -> None:
        self._models = [_own(model) for _, model in models]
        self._steppers = [model.stepper for model in self._models]
        corrected = [stepper.catchment_id for stepper in self._steppers if stepper.assimilates]
        if corrected:
            raise ConfigError(f"{corrected[0]} has 'assimilation' in its BMI config, which a fast run leaves out; run without --fast")
        self._engine, self._rows = _rows_of(self._steppers)
        self._hours_to_steps = HoursToSteps(self._steppers)
        by_name = {variable.name: place for place, variable in enumerate(self._steppers[0].layout.outputs)}
        self._quantiles = quantile_outputs(self._steppers[0])
        levels = {} if self._quantiles is None else self._quantiles.places
        unknown = [name for name in outputs if name not in by_name and name not in levels]
        if unknown:
            raise ConfigError(f"a fast run cannot give {', '.join(unknown)}; it gives {', '.join((*by_name, *levels))}")
        self._wanted = [(by_name[name], None) if name in by_name else (0, levels[name]) for name in outputs]
        self._sites = self._places_of_quantiles()

    def whole_saves(self, hours: int) -> int:
        """Length of a stretch, at most ``hours`` where possible, after which restart files are never overdue."""
        every = self._models[0].hours_between_saves
        if every is None:
            return hours
        return next(length for length in range(min(hours, every), 0, -1) if every % length == 0)

    def advance(self, inputs: Sequence[npt.NDArray[np.generic]]) -> list[FloatArray]:
        """Advance through a stretch of hours.

        Parameters
        ----------
        inputs : sequence of ndarray, shape (T, N)
            Weather in the order and units of the input variables.

        Returns
        -------
        list of ndarray, shape (T, N)
            The outputs, hour by hour.

        Raises
        ------
        ForcingError
            If a value is impossible, or missing where none may take its place.
        """
        first, hours = self._steppers[0], len(inputs[0])
        reported = np.stack([stepper.reported for stepper in self._steppers], axis=1)
        forcing = self._hours_to_steps.take(first.time, np.stack(inputs, axis=-1))
        series = np.stack(list(self._engine.run_rows(self._rows, forcing).values()))
        completed = _completed_steps(first, hours, len(forcing))
        layout = first.layout

        def by_step(place: int) -> FloatArray:
            """Give what is reported before the first step and after each (S + 1, N)."""
            return np.concatenate([reported[place][None], series[layout.sources[place]] * layout.factors[place]])

        quantiles = self._quantiles_of(by_step)
        results = [(by_step(place) if level is None else quantiles[..., level])[completed] for place, level in self._wanted]
        self._leave_behind(hours, series)
        return results

    def _places_of_quantiles(self) -> Place | None:
        """Say what attributes tell of the spread, if quantiles are wanted: catchment by catchment, as objects that are stepped do."""
        if self._quantiles is None or all(level is None for _, level in self._wanted):
            return None
        return Place(*np.array([self._quantiles.place_of(stepper) for stepper in self._steppers]).T)

    def _quantiles_of(self, by_step: Callable[[int], FloatArray]) -> FloatArray:
        """Give quantiles (S + 1, N, L) of what is reported, if any are wanted."""
        if self._quantiles is None or self._sites is None:
            return np.empty(0)
        return self._quantiles.of_reported([by_step(place) for place in self._quantiles.needed], self._sites)

    def _leave_behind(self, hours: int, series: FloatArray) -> None:
        """Leave each object as if it had been stepped, and write restart files that are due."""
        self._hours_to_steps.give_back()
        for row, (model, stepper) in enumerate(zip(self._models, self._steppers, strict=True)):
            stepper.move_on(hours, series[:, -1, row] if series.shape[1] else None)
            model.save_if_due()


def _own(model: Bmi) -> BmiDeltaModel:
    if not isinstance(model, BmiDeltaModel):
        raise ConfigError(f"a fast run needs bmi_dmg.BmiDeltaModel, not {type(model).__module__}.{type(model).__name__}")
    return model


def _rows_of(steppers: Sequence[Stepper]) -> tuple[Engine, slice]:
    """Engine and rows of the catchments, which must lie side by side in one engine.

    Raises
    ------
    ConfigError
        If they do not.
    """
    engine, first = steppers[0].catchment.engine, steppers[0].catchment.row
    rows = [stepper.catchment.row for stepper in steppers]
    if any(stepper.catchment.engine is not engine for stepper in steppers) or rows != list(range(first, first + len(rows))):
        raise ConfigError("a fast run needs all catchments to use one model folder, precision, device and backend")
    return engine, slice(first, first + len(rows))


def _completed_steps(stepper: Stepper, hours: int, steps: int) -> npt.NDArray[np.int64]:
    """Count the steps of the model that are complete after each of ``hours`` hours, of which there are ``steps`` in all."""
    if not isinstance(stepper, DailyStepper):
        return np.arange(1, hours + 1)
    days = (stepper.time.hour + np.arange(1, hours + 1)) // HOURS_PER_DAY
    not_simulated = days[-1] - steps  # a first day that is not whole gives no step
    completed: npt.NDArray[np.int64] = np.maximum(days - not_simulated, 0)
    return completed
