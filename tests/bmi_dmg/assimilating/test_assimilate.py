"""The command ``bmi-dmg assimilate`` and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.image import imread
from typer.testing import CliRunner, Result

from bmi_dmg.cli.main import app
from dmg_core.assimilation.hindcast import KINDS
from dmg_core.metrics import nse
from tests.dmg_core.factories import write_model
from tests.dmg_core.learning.synthetic import NAMES, make_basins

PERIOD = ("2003-01-01", "2003-02-28")


def run_command(folder: Path, *options: str, period: tuple[str, str] = PERIOD) -> Result:
    """Run the command on made basins and a made model."""
    model = folder / "model"
    if not model.exists():
        model.mkdir()
        write_model(model, "Hbv_2", attributes=NAMES)
        (folder / "made.nc").touch()
    given = [str(model), "--data", str(folder / "made.nc"), "--reader", "synthetic", "--out", str(folder / "out")]
    return CliRunner().invoke(app, ["assimilate", *given, "--period", *period, *options])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a hindcast whose reference days follow each other."""
    made = tmp_path_factory.mktemp("assimilated")
    result = run_command(made, "--fit", "2001-01-01", "2002-12-31", "--lead", "4")
    assert result.exit_code == 0, result.output
    assert "median NSE at a lead of (days)" in result.stdout
    assert "59 reference days, 2003-01-01 to 2003-02-28" in result.stdout
    return made / "out"


def test_forecasts_stand_by_reference_time_and_lead(folder: Path) -> None:
    """Forecasts and observed flow are in CF NetCDF over gauge, reference time and lead; a lead later is what was observed that day."""
    data = make_basins()
    with xr.open_dataset(folder / "forecasts.nc") as written:
        assert written.attrs["Conventions"] == "CF-1.8"
        assert list(written.gauge_id.values) == list(data.ids)
        assert written.forecast_reference_time.attrs["standard_name"] == "forecast_reference_time"
        assert written.forecast_reference_time.values[0] == np.datetime64("2003-01-02T00:00")
        for kind in KINDS:
            flow = written[f"streamflow_{kind}"]
            assert flow.dims == ("gauge_id", "forecast_reference_time", "lead")
            assert flow.attrs["units"] == "mm/d"
            assert np.isfinite(flow.values).all()
            assert (flow.values >= 0.0).all()
        third = np.searchsorted(data.dates, np.datetime64("2003-01-04"))
        np.testing.assert_array_equal(written.streamflow_observed.values[:, 0, 2], data.flow[third].astype(np.float32))
        assert written["lead"].dtype.kind == "i"


def test_tables_are_those_of_the_forecasts(folder: Path) -> None:
    """Scores of basins are those of the written forecasts, and the table by lead holds their medians."""
    basins, leads = pd.read_csv(folder / "scores.csv", dtype={"gauge_id": str}), pd.read_csv(folder / "leads.csv")
    assert len(leads) == len(KINDS) * 4
    with xr.open_dataset(folder / "forecasts.nc") as written:
        for kind in KINDS:
            flow = written[f"streamflow_{kind}"].values[:, :, 1].T
            expected = nse(flow, written.streamflow_observed.values[:, :, 1].T)
            rows = basins[(basins.forecast == kind) & (basins.lead_days == 2)]
            np.testing.assert_allclose(rows["nse[1]"], expected, rtol=1e-4)
            row = leads[(leads.forecast == kind) & (leads.lead_days == 2)]
            assert float(row["nse[1]"].iloc[0]) == pytest.approx(np.median(expected), rel=1e-4)


def test_picture_is_drawn(folder: Path) -> None:
    """The scores by lead are an image that is not blank."""
    assert imread(folder / "leads.png")[..., :3].std() > 0.01


@pytest.mark.parametrize(
    ("options", "period", "message"),
    [
        (["--window", "2000"], PERIOD, "window of 2000 days that ends on 2003-01-01 is longer than the series"),
        (["--fit", "2001-01-01", "2003-01-01"], PERIOD, "is not before the period that begins on 2003-01-01"),
        ([], ("2003-01-01", "2009-01-01"), "ends after the weather"),
    ],
)
def test_what_is_impossible_is_told(options: list[str], period: tuple[str, str], message: str, tmp_path: Path) -> None:
    """A window longer than the series, errors learned from what is scored, and forecasts beyond the weather end in a message alone."""
    result = run_command(tmp_path, *options, period=period)
    assert result.exit_code == 1
    assert message in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()
