"""Tests of bmi_dmg.checking.period_checks: what is told of hours that are not simulated is what a run does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bmi_dmg.checking.check import check_folder
from bmi_dmg.checking.findings import Finding, Severity
from bmi_dmg.driver.run import run
from bmi_dmg.run_plan.result_files import DATASET
from bmi_dmg.variables import RUNOFF_DEPTH

MakeOwnRun = Callable[..., Path]
MIDNIGHT = datetime(2001, 2, 3)


def told(folder: Path, kind: str = "not-simulated") -> list[Finding]:
    """What a check says of a kind."""
    return [finding for finding in check_folder(folder).findings if finding.kind == kind]


def runoff(folder: Path) -> np.ndarray:
    """Runoff of a run, shape (N, hours)."""
    with netCDF4.Dataset(str(folder / DATASET)) as dataset:
        return np.asarray(dataset[RUNOFF_DEPTH][:])


@pytest.mark.parametrize(("hour", "hours"), [(1, 18), (0, 23), (1, 46), (23, 24)])
def test_a_run_without_a_whole_day_is_told(make_own_run: MakeOwnRun, hour: int, hours: int, caplog: pytest.LogCaptureFixture) -> None:
    """Where no calendar day is complete there is one warning, all outputs are 0 indeed, and the run itself says the same."""
    start = MIDNIGHT + timedelta(hours=hour)
    folder = make_own_run(MIDNIGHT, 4, start, hours)
    (finding,) = told(folder)
    assert finding.severity is Severity.WARNING
    assert f"no calendar day is complete from {start} to {start + timedelta(hours=hours - 1)}" in finding.message
    assert "all outputs are 0" in finding.message
    with caplog.at_level(logging.WARNING):
        run(folder, progress=False)
    assert finding.message in caplog.text
    assert not runoff(folder).any()


@pytest.mark.parametrize(("hour", "lost", "silent"), [(1, 23, 46), (13, 11, 34), (23, 1, 24)])
def test_hours_before_the_first_midnight_are_told(make_own_run: MakeOwnRun, hour: int, lost: int, silent: int) -> None:
    """A run of ten days that does not start at midnight tells the hours that are lost, and how many outputs stay 0: as many as do."""
    folder = make_own_run(MIDNIGHT, 12, MIDNIGHT + timedelta(hours=hour), lost + 240)
    (finding,) = told(folder)
    assert finding.severity is Severity.WARNING
    assert f"its first {lost} hours, up to midnight, are not simulated" in finding.message
    assert f"the first {silent} outputs are 0" in finding.message
    run(folder, progress=False)
    silent_hours = (runoff(folder) == 0.0).all(axis=0)
    assert silent_hours[:silent].all()
    assert not silent_hours[silent]


@pytest.mark.parametrize(("hours", "rest"), [(49, 1), (71, 23)])
def test_hours_of_an_unfinished_last_day_are_noted(make_own_run: MakeOwnRun, hours: int, rest: int) -> None:
    """The hours after the last whole day are a note; the outputs there are those of the hour before them."""
    folder = make_own_run(MIDNIGHT, 4, MIDNIGHT, hours)
    (finding,) = told(folder)
    assert finding.severity is Severity.NOTE
    assert f", {rest} at the end of the run, are not simulated" in finding.message
    assert finding.time == MIDNIGHT + timedelta(hours=hours - rest)
    run(folder, progress=False)
    values = runoff(folder)
    assert (values[:, -rest:] == values[:, -rest - 1 :][:, :1]).all()


def test_whole_days_and_hourly_models_are_not_told(make_own_run: MakeOwnRun) -> None:
    """Whole days give no finding, nor does any period of an hourly model."""
    assert told(make_own_run(MIDNIGHT, 4, MIDNIGHT, 72, name="daily")) == []
    assert told(make_own_run(MIDNIGHT, 4, MIDNIGHT + timedelta(hours=5), 7, name="hourly", physics="Hbv_2_hourly")) == []


def test_a_state_that_holds_the_first_hours_loses_none(make_own_run: MakeOwnRun, tmp_path: Path) -> None:
    """A start at noon from a state of noon, which has the hours before it, loses nothing; a start from nothing there is cold."""
    noon = MIDNIGHT + timedelta(hours=36)
    first = make_own_run(MIDNIGHT, 4, MIDNIGHT, 36, name="first", checkpoint={"path": str(tmp_path / "state"), "every": 36})
    run(first, progress=False)
    warm = make_own_run(MIDNIGHT, 4, noon, 36, name="warm", initial_state=str(tmp_path / "state"))
    assert told(warm) == told(warm, "cold-start") == []
    run(warm, progress=False)
    before, after = runoff(first)[:, -1:], runoff(warm)
    assert (after[:, :11] == before).all()
    assert (after[:, 11] != before[:, 0]).all()
    cold = make_own_run(MIDNIGHT, 4, noon, 36, name="cold")
    assert len(told(cold)) == 1
    (finding,) = told(cold, "cold-start")
    assert finding.severity is Severity.NOTE
    assert finding.catchments == ("cat-1", "cat-2", "cat-10")
    assert "starts with empty stores" in finding.message
