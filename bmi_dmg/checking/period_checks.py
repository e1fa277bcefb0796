"""What a run's period and its start mean for its results: hours that a daily model does not simulate, and empty stores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.checking.findings import Findings, listing
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.stepping.daily import HOURS, HOURS_PER_DAY, DailyStepper

NOT_SIMULATED: Final = "not-simulated"
COLD_START: Final = "cold-start"
_HOUR: Final = timedelta(hours=1)
_MIDNIGHT: Final = "start at midnight, or from a state of that hour; an hourly model simulates every hour"


def inspect_period(realization: Realization, model: BmiDeltaModel, findings: Findings) -> None:
    """Note the hours that a daily model will not simulate: those of days that the run does not have whole.

    Parameters
    ----------
    realization : Realization
        The run.
    model : BmiDeltaModel
        Its first catchment, initialised. A state it starts from may hold the hours of the first day before the start.
    findings : Findings
        Where findings go.
    """
    stepper = model.stepper
    if not isinstance(stepper, DailyStepper):
        return
    start, hours, path = realization.start, realization.n_steps, realization.path
    carried = int(stepper.own_state()["day"][HOURS]) == start.hour
    lost = 0 if carried else -start.hour % HOURS_PER_DAY
    begun = start.hour if carried else 0
    days, rest = divmod(begun + hours - lost, HOURS_PER_DAY)
    before = "0" if not stepper.reported.any() else "those of the state it starts from"
    if hours < lost or days < 1:
        message = (
            f"{path}: no calendar day is complete from {start} to {realization.end}, so the daily model never takes a step and all outputs "
            f"are {before}"
        )
        findings.warning(NOT_SIMULATED, message, path, f"run a whole day at least, from 00:00 to 23:00; {_MIDNIGHT}", time=start)
        return
    if lost:
        message = (
            f"{path}: the run starts at {start}; its first {lost} hours, up to midnight, are not simulated, their precipitation is lost, "
            f"and the first {lost + HOURS_PER_DAY - 1} outputs are {before}"
        )
        findings.warning(NOT_SIMULATED, message, path, _MIDNIGHT, time=start)
    if rest:
        first = realization.end - (rest - 1) * _HOUR
        message = (
            f"{path}: the hours from {first} on, {rest} at the end of the run, are not simulated, because their day is not complete; the "
            "outputs there are those of the day before"
        )
        findings.note(NOT_SIMULATED, message, path, "none needed; with an end at 23:00 there are no such hours", time=first)


def inspect_start(realization: Realization, cold: Sequence[str], findings: Findings) -> None:
    """Note catchments that start with empty stores.

    Parameters
    ----------
    realization : Realization
        The run.
    cold : sequence of str
        Catchments whose configuration names neither a state nor a spin-up.
    findings : Findings
        Where findings go.
    """
    if cold:
        path = Path(realization.formulation.config_of(cold[0]))
        findings.note(
            COLD_START,
            f"{path}: no initial_state, so the run starts with empty stores, and flow is too low until they have filled, which takes a "
            f"year or more, for {listing(cold)}",
            path,
            "start warm with 'bmi-dmg spinup --use', or leave out the first year of the results",
            catchments=tuple(cold),
            variable="initial_state",
        )
