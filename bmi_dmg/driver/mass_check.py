"""ngen's check of a module's mass balance, made where a run folder is stepped without ngen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

from bmipy import Bmi

from bmi_dmg.bmi.mass_balance import MASS_TERMS
from bmi_dmg.bmi.protocols import NGEN
from bmi_dmg.run_folder.realization import STEP_SECONDS, TIME_FORMAT, MassBalanceSettings, Realization
from bmi_dmg.run_plan.lifecycle import RunError, bmi_errors

_NAMES = tuple(NGEN + name for name in MASS_TERMS)


class MassCheck:
    """Checks the mass balance of catchments after their steps, as the realization asks.

    Parameters
    ----------
    realization : Realization
        The run.
    models : sequence of (str, Bmi)
        Catchment ids and initialised objects. As in ngen, an object without a mass balance is told on stderr and then left alone.
    """

    def __init__(self, realization: Realization, models: Sequence[tuple[str, Bmi]]) -> None:
        self._start, self._steps = realization.start, realization.n_steps
        settings = realization.formulation.mass_balance
        self._settings = settings if settings is not None and settings.check else None
        self._suffix = ".0" if realization.formulation.is_nested else ""
        if self._settings is not None:
            self._unchecked = {catchment for catchment, model in models if not self._can_check(catchment, model)}

    def _can_check(self, catchment: str, model: Bmi) -> bool:
        try:
            for name in _NAMES:
                with bmi_errors(f"'{name}' cannot be read"):
                    model.get_var_units(name)
                    float(model.get_value_ptr(name)[0])
        except RunError as error:
            _tell(f"Error(Integration)::mass_balance {catchment}{self._suffix}: {error}; it is not checked")
            return False
        return True

    def around(self, catchment: str, model: Bmi, advance: Callable[[], None]) -> Callable[[], None]:
        """Give what advances a catchment by an hour and then checks its balance, where a check is due.

        A residual above the tolerance is told on stderr or, if that is fatal, raised as a :class:`RunError`.
        """
        settings = self._settings
        if settings is None or catchment in self._unchecked:
            return advance
        step = -1

        def advance_and_check() -> None:
            nonlocal step
            advance()
            step += 1
            if step == self._steps - 1 if settings.frequency == -1 else step % settings.frequency == 0:
                self._check(settings, catchment, model, step)

        return advance_and_check

    def _check(self, settings: MassBalanceSettings, catchment: str, model: Bmi, step: int) -> None:
        came_in, *rest = (float(model.get_value_ptr(name)[0]) for name in _NAMES)
        residual = came_in - rest[0] - rest[1] - rest[2]
        if abs(residual) <= settings.tolerance:
            return
        time = self._start + timedelta(seconds=STEP_SECONDS * step)
        terms = " - ".join(f"{name} ({value:.17g})" for name, value in zip(_NAMES, (came_in, *rest), strict=True))
        message = (
            f"mass_balance at timestep {step} ({time.strftime(TIME_FORMAT)}) at feature id {catchment}{self._suffix}: "
            f"{terms} = {residual:.3g}, tolerance {settings.tolerance:g}"
        )
        if settings.fatal:
            raise RunError(message)
        _tell(f"Warning(Protocol)::{message}")


def _tell(message: str) -> None:
    sys.stderr.write(message + "\n")
