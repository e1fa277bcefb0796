"""Assimilation into run folders: states that runs start from, forecasts, increments, and what cannot be done."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from bmi_dmg import BmiDeltaModel
from bmi_dmg.assimilating import observations
from bmi_dmg.assimilating.run_folder import Assimilated, Wanted, assimilate_folder
from bmi_dmg.cli.main import app
from bmi_dmg.driver.run import run
from bmi_dmg.results.reading import RunResults
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING
from dmg_core.assimilation.forecasts import OPEN_LOOP, STATES
from dmg_core.assimilation.scores import scores_by_basin
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, DmgError, ForcingError
from tests.bmi_dmg.conftest import MTS

MakeRun = Callable[..., Path]

FIRST, DAYS = datetime(2001, 3, 1), 150
PERIOD = (date(2001, 6, 1), date(2001, 7, 10))
WINDOWS = ("--window", "15", "--lead", "4", "--every", "3")


def flow_of(folder: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Run a folder; give ids, flow in mm per step (N, T) and the steps' starts."""
    run(folder, progress=False, fast=True)
    with RunResults(folder) as results:
        flow = results.means("streamflow", range(len(results.ids)), results.finest)
        return list(results.ids), flow / (24 // results.finest.step), [str(time) for time in results.finest.times]


def write_observed(folder: Path, *, gauges: tuple[str, ...] = ("cat-1", "cat-10"), factor: float = 1.6) -> Path:
    """Write flow that is that of a run, times a factor, as if it had been observed."""
    ids, flow, times = flow_of(folder)
    per = "d" if len(times) <= DAYS else "h"
    columns = [factor * flow[ids.index(gauge)] for gauge in gauges]
    lines = [",".join(["time", *(f"{gauge}[mm {per}-1]" for gauge in gauges)])]
    lines += [",".join([time, *(repr(float(column[step])) for column in columns)]) for step, time in enumerate(times)]
    path = folder / "flow.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def start_from(folder: Path, state: Path, start: datetime, hours: int) -> None:
    """Let a run start from a state."""
    for config in (folder / BMI_CONFIGS).glob("*.yml"):
        config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "start_time": str(start), "initial_state": str(state)}))
    path = folder / "config" / "realization.json"
    content = json.loads(path.read_text())
    content["time"] |= {"start_time": str(start), "end_time": str(start + timedelta(hours=hours - 1))}
    path.write_text(json.dumps(content))


def increments_of(path: Path) -> list[dict[str, str]]:
    """Rows of a table of increments."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_hindcast_and_the_run_that_goes_on(make_own_run: MakeRun) -> None:
    """Forecasts from analysed states are better than without; runs that start from them give the forecasts, and count the increments."""
    folder = make_own_run(FIRST, DAYS, FIRST, 24 * (DAYS - 10))
    observed = write_observed(folder)
    result = CliRunner().invoke(
        app,
        ["assimilate", str(folder), "--observations", str(observed), "--period", "2001-06-01", "2001-07-10", *WINDOWS, "--no-progress"],
    )
    assert result.exit_code == 0, result.output
    assert "2 basins, 14 reference days, 2001-06-01 to 2001-07-10" in result.output.replace("\n", " ")
    out, last = folder / "outputs" / "assimilation", datetime(2001, 7, 11)
    state = folder / "state" / "analysis_20010711T00.safetensors"
    assert str(state) in result.stdout
    assert {path.name for path in out.iterdir()} == {"forecasts.nc", "leads.csv", "scores.csv", "leads.png", "increments.csv"}
    rows = increments_of(out / "increments.csv")
    assert len(rows) == 2 * 14
    assert rows[-1]["reference_time"] == "2001-07-11T00"

    before = States.read(state)
    budget = dict(zip(before.ids, before.arrays["budget"][:, -1], strict=True))  # increments are its last column
    for row in rows[-2:]:
        put_in = sum(float(row[name]) for name in row if name.endswith("[mm]") and name != "total[mm]")
        assert put_in == pytest.approx(float(row["total[mm]"]), abs=1e-5)
        assert budget[row["gauge_id"]] == pytest.approx(float(row["total[mm]"]), abs=1e-4)
        assert abs(put_in) > 0.1
    assert budget["cat-2"] == 0.0

    start_from(folder, state, last, 24 * 4)
    ids, flow, _ = flow_of(folder)
    with xr.open_dataset(out / "forecasts.nc") as forecasts:
        assert forecasts["lead"].attrs["units"] == "days"
        assert forecasts.forecast_reference_time.values[-1] == np.datetime64("2001-07-11T00:00")
        for gauge in ("cat-1", "cat-10"):
            expected = forecasts.streamflow_states.sel(gauge_id=gauge).values[-1]
            np.testing.assert_allclose(flow[ids.index(gauge)], expected, rtol=1e-5)
    with (folder / "outputs" / "budget.csv").open(newline="") as stream:
        assert max(abs(float(row["residual[mm]"])) for row in csv.DictReader(stream)) < 1e-8


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_daily_and_hourly_models_gain(make_own_run: MakeRun, physics: str) -> None:
    """Models by the day and by the hour forecast better from analysed states at every lead, with budgets that close."""
    days = 60 if physics.endswith("hourly") else DAYS
    folder = make_own_run(FIRST, days, FIRST, 24 * (days - 4), ids=("cat-1", "cat-2"), physics=physics)
    observed = write_observed(folder, gauges=("cat-1",))
    wanted = Wanted((FIRST + timedelta(days=days - 20), FIRST + timedelta(days=days - 8)), window=10, lead=2, every=2)
    result = assimilate_folder(folder, observed, Wanted((wanted.period[0].date(), wanted.period[1].date()), 10, 2, 2))
    made = result.made
    assert made.steps_per_day == (24 if physics.endswith("hourly") else 1)
    assert len(made.observed) == 2 * made.steps_per_day
    for lead in (1, len(made.observed)):
        better, worse = (scores_by_basin(made, kind, lead)["nse"][0] for kind in (STATES, OPEN_LOOP))
        assert better > worse
    assert len(result.states) == 1


def test_one_analysis_at_the_end(make_own_run: MakeRun) -> None:
    """Without a period the state at the end of the run is analysed, with a forecast as far as there is weather, and BMI goes on from it."""
    folder = make_own_run(FIRST, 62, FIRST, 24 * 60, ids=("cat-1754",))
    result = assimilate_folder(folder, write_observed(folder, gauges=("cat-1754",)), Wanted(window=15, lead=4))
    assert result.made.observed.shape == (2, 1, 1)
    end = FIRST + timedelta(days=60)
    assert result.states == (folder / "state" / f"analysis_{end:%Y%m%dT%H}.safetensors",)
    start_from(folder, result.states[0], end, 24)
    model = BmiDeltaModel()
    model.initialize(str(folder / BMI_CONFIGS / "cat-1754.yml"))
    (_, raw), stores = result.parts[0], result.stores
    assert raw.outcome.tolist() == [["converged"]]
    assert np.abs(raw.increments).sum() > 0.1
    held = np.array([model.get_value_ptr(f"state::{name}").mean() for name in stores])
    state = States.read(result.states[0])
    np.testing.assert_allclose(held, state.arrays["stores"][0].mean(0))


def test_states_of_every_reference_time(make_own_run: MakeRun) -> None:
    """States of all reference times are written if wanted, and the last is that which is written alone."""
    folder = make_own_run(FIRST, DAYS, FIRST, 24 * (DAYS - 10), ids=("cat-1", "cat-2"))
    observed = write_observed(folder, gauges=("cat-1",))
    alone = assimilate_folder(folder, observed, Wanted(PERIOD, 15, 4, 20)).states[0].read_bytes()
    every = assimilate_folder(folder, observed, Wanted(PERIOD, 15, 4, 20, every_state=True))
    assert len(every.states) == len(every.made.reference) == 2
    assert alone in [path.read_bytes() for path in every.states]


def test_a_gauge_over_many_catchments_corrects_all(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flow in m³/s of a gauge that three catchments drain to corrects all of them; a gauge of one of them alone has the last word there."""
    folder = make_own_run(FIRST, DAYS, FIRST, 24 * (DAYS - 10), ids=("cat-1", "cat-10", "cat-1754"))
    ids, flow, times = flow_of(folder)
    areas = dict(zip(ids, (10.0, 20.0, 30.0), strict=True))
    above = {**{one: [one] for one in ids}, "0123": list(ids)}
    monkeypatch.setattr(observations, "_places", lambda *_: (areas, above))
    discharge = 1.6 * np.array(list(areas.values())) @ flow / 86.4
    rows = [f"{time},{float(value)!r},{float(own)!r}" for time, value, own in zip(times, discharge, 1.6 * flow[0], strict=True)]
    file = folder / "flow.csv"
    file.write_text("\n".join(["time,123[m3 s-1],cat-1[mm d-1]", *rows]) + "\n")
    together = assimilate_folder(folder, file, Wanted(PERIOD, 15, 4, 10, gauges=("0123",)))
    for lead in (1, 4):
        better, worse = (scores_by_basin(together.made, kind, lead)["nse"][0] for kind in (STATES, OPEN_LOOP))
        assert better > worse
    column, state = -1, States.read(together.states[0])
    put_in = dict(zip(state.ids, state.arrays["budget"][:, column], strict=True))
    assert all(abs(amount) > 1e-3 for amount in put_in.values())
    total = sum(areas[one] * put_in[one] for one in ids) / 60.0
    assert total == pytest.approx(together.parts[0][1].increments[-1, 0].sum(), rel=1e-6)
    both = assimilate_folder(folder, file, Wanted(PERIOD, 15, 4, 10))
    assert both.made.ids == ("cat-1", "0123")
    now = dict(zip(ids, States.read(both.states[0]).arrays["budget"][:, column], strict=True))
    assert now["cat-1"] != put_in["cat-1"]
    assert now["cat-10"] == put_in["cat-10"]


def told(folder: Path, observed: Path, wanted: Wanted) -> Assimilated:
    """Assimilate, and make sure that an error leaves nothing."""
    try:
        return assimilate_folder(folder, observed, wanted)
    except DmgError:
        assert not (folder / "state").exists()
        raise


def test_what_cannot_be_done_is_told(make_own_run: MakeRun, tmp_path: Path) -> None:
    """Windows, periods, gauges, units and flows that cannot be are refused by name, before anything is written."""
    folder = make_own_run(FIRST, DAYS, FIRST, 24 * (DAYS - 10), ids=("cat-1", "cat-2"))
    day = (FIRST + timedelta(days=100)).date()
    file = tmp_path / "observed.csv"

    def write(header: str, value: float, first: datetime = FIRST) -> Path:
        file.write_text(f"time,{header}\n" + "".join(f"{first + timedelta(days=n):%Y-%m-%d},{value}\n" for n in range(140)))
        return file

    good = write("cat-1[mm d-1]", 2.0)
    for wanted, message in (
        (Wanted(window=200), "the window of 200 days that ends on 2001-07-18 is longer than the run before it, which begins on 2001-03-01"),
        (Wanted((day, date(2001, 12, 1))), "the period from 2001-06-09 to 2001-12-01 is not within the run"),
        (Wanted((day, date(2001, 6, 8))), "the period ends before it begins"),
        (Wanted((date(2001, 3, 20), day)), "it can begin on 2001-04-10 at the earliest"),
        (Wanted((day, date(2001, 7, 18)), lead=30), "ends after the weather, which ends on 2001-07-29"),
        (Wanted(gauges=("01234567",)), "gauge 01234567 stands at no catchment of .*own; it has cat-1, cat-2"),
        (Wanted(gauges=("cat-2",)), "none of its catchments"),
    ):
        with pytest.raises(ConfigError, match=message):
            told(folder, good, wanted)
    for header, value, first, message in (
        ("cat-9[mm d-1]", 2.0, FIRST, "none of its catchments .cat-9"),
        ("cat-1[bananas]", 2.0, FIRST, "'bananas', which is no flow"),
        ("cat-1[mm d-1]", 2.0, datetime(2011, 1, 1), "no value between 2001-03-01 and 2001-07-28"),
        ("cat-1[mm h-1]", 1e9, FIRST, "larger than any flood of such an area"),
    ):
        with pytest.raises((ConfigError, ForcingError), match=message):
            told(folder, write(header, value, first), Wanted())


def test_a_coupled_model_goes_on_by_itself(make_own_run: MakeRun) -> None:
    """A multi-timescale model in continuous mode is assimilated into once it is anchored; before that it is told what is lacking."""
    warmup = {"daily_mode": "continuous"}
    common = {"physics": MTS, "ids": ("cat-7",), "warmup": warmup}
    cold = make_own_run(FIRST, 12, FIRST, 24 * 11, name="cold", **common)
    observed = write_observed(cold, gauges=("cat-7",))
    with pytest.raises(ConfigError, match=r"anchored after 48 hours, and 0 have passed.*spin up longer"):
        told(cold, observed, Wanted(window=5, lead=1))
    spinup = {"forcing": str(FORCING), "days": 4}
    warm = make_own_run(FIRST - timedelta(days=5), 16, FIRST, 24 * 10, name="warm", spinup=spinup, **common)
    result = assimilate_folder(warm, write_observed(warm, gauges=("cat-7",)), Wanted(window=5, lead=1))
    (_, raw), end = result.parts[0], FIRST + timedelta(days=10)
    assert raw.outcome.tolist() == [["converged"]]
    for config in (warm / BMI_CONFIGS).glob("*.yml"):
        config.write_text(yaml.safe_dump({key: v for key, v in yaml.safe_load(config.read_text()).items() if key != "spinup"}))
    start_from(warm, result.states[0], end, 24)
    _, flow, _ = flow_of(warm)
    np.testing.assert_allclose(flow[0], result.made.forecasts[STATES][:, 0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"backend": "torch"}, "assimilation works with compiled code on CPU alone"),
        ({"physics": MTS}, "warmup.daily_mode is 'periodic'.*daily_mode: continuous"),
        ({"physics": "Hbv"}, "static parameters"),
    ],
)
def test_models_that_cannot_are_told(make_own_run: MakeRun, tmp_path: Path, config: dict[str, str], message: str) -> None:
    """Models that torch steps, that are anchored anew again and again, or whose parameters need a spin-up, are refused by name."""
    folder = make_own_run(FIRST, 60, FIRST, 24 * 50, ids=("cat-1",), **config)
    observed = tmp_path / "observed.csv"
    hours = [FIRST + timedelta(hours=n) for n in range(24 * 50)]
    observed.write_text("time,cat-1[mm d-1]\n" + "".join(f"{hour},2.0\n" for hour in hours))
    with pytest.raises(DmgError, match=message):
        told(folder, observed, Wanted(window=10, lead=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "a model needs --data, --period and --out; a run folder needs --observations"),
        (["--observations", "flow.csv", "--data", "flow.csv"], "give one of them"),
        (["--observations", "flow.csv", "--reader", "camels"], "--reader is for a model with --data"),
        (["--data", "flow.csv", "--gauge", "x"], "--gauge is for a run folder"),
    ],
)
def test_options_of_one_form_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str) -> None:
    """Options of a run folder and of a model do not mix."""
    monkeypatch.chdir(tmp_path)
    Path("flow.csv").write_text("time\n")
    result = CliRunner().invoke(app, ["assimilate", ".", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
