from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.image import imread
from typer.testing import CliRunner

from bmi_dmg.checking.preflight import check_run
from bmi_dmg.cli.main import app
from bmi_dmg.demo import make as demo
from bmi_dmg.demo.make import DemoResult, make_demo
from bmi_dmg.report.content import gather
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_folder.writing import BUDGET_COLUMNS
from dmg_core.errors import ConfigError

make_small = partial(make_demo, n_catchments=2, days=20, progress=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """A demo of 2 catchments and 20 days in a new folder."""
    return make_small(tmp_path_factory.mktemp("demo") / "new")


def test_folder_passes_the_check_of_a_run(small: DemoResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run folder has nothing that a run would complain about, and all its catchments."""
    monkeypatch.chdir(small.run_folder)
    plan = check_run(small.run_folder, read_realization(small.run_folder))
    plan.forcing.close()
    plan.first_model.finalize()
    assert plan.catchments.ids == ("cat-1", "cat-2")
    assert plan.realization.n_steps == 20 * 24


def test_results_are_finite_and_not_nothing(small: DemoResult) -> None:
    """All columns are there for all catchments and hours, and water runs off."""
    with xr.open_dataset(small.dataset, decode_timedelta=False) as results:
        for name in BUDGET_COLUMNS:
            assert results[name].shape == (2, 20 * 24)
            assert np.isfinite(results[name].values).all()
        assert results[BUDGET_COLUMNS[0]].values.max() > 0.0
    assert sorted(path.name for path in (small.run_folder / "outputs" / "ngen").iterdir()) == ["cat-1.csv", "cat-2.csv"]


def test_picture_is_an_image(small: DemoResult) -> None:
    """The picture is a PNG that is not blank."""
    pixels = imread(small.picture)
    assert min(pixels.shape[:2]) > 200
    assert pixels.std() > 0.01


def test_there_is_one_total(small: DemoResult) -> None:
    """The summary's figures are those of the run's table of budgets, over the area, and of the report; they close to rounding."""
    water = small.balance
    table = pd.read_csv(small.run_folder / "outputs" / "budget.csv")
    with xr.open_dataset(small.dataset, decode_timedelta=False) as results:
        area = results["area"].values
    terms = {term["label"]: term["values"][-1] for term in gather(small.run_folder, None).facts["budget"]["terms"]}
    for name, label, mine in (
        ("precipitation", "Precipitation", water.precipitation),
        ("aet", "Evapotranspiration", water.evapotranspiration),
        ("runoff", "Runoff", water.runoff),
    ):
        assert mine == pytest.approx((table[f"{name}[mm]"] * area).sum() / area.sum(), rel=1e-12)
        assert terms[label] == pytest.approx(mine, rel=1e-5)
    assert water.precipitation > 1.0
    explained = water.precipitation + water.regional_gain - water.evapotranspiration - water.runoff - water.storage_change
    assert abs(explained) < 0.01
    assert abs(water.residual) < 1e-9
    assert f"rain and snow {water.precipitation:.0f} = " in small.summary()
    assert "conus-daily" in small.summary()


def test_demo_is_repeatable(small: DemoResult, tmp_path: Path) -> None:
    """A second demo gives the same numbers."""
    again = make_small(tmp_path)
    with xr.open_dataset(small.dataset, decode_timedelta=False) as first, xr.open_dataset(again.dataset, decode_timedelta=False) as second:
        xr.testing.assert_equal(first, second)


def test_earlier_demo_is_replaced(tmp_path: Path) -> None:
    """A demo over an earlier one leaves nothing of that, but what others have put beside it."""
    make_small(tmp_path, n_catchments=3)
    (tmp_path / "notes.txt").write_text("mine")
    make_small(tmp_path)
    assert not list(tmp_path.rglob("cat-3.*"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "README.txt", "config"])
def test_foreign_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A folder that holds anything else is left alone."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="not empty and not an earlier demo"):
        make_small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_file_is_refused(tmp_path: Path) -> None:
    """A demo is not written in the place of a file."""
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        make_small(path)
    assert path.read_text() == "mine"


def test_command_prints_results_and_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``bmi-dmg demo`` prints paths on stdout and the water balance on stderr."""
    monkeypatch.setattr(demo, "make_demo", lambda out, *, progress: make_small(out))
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'outputs' / 'catchments.nc'}\n{tmp_path / 'hydrographs.png'}\n"
    assert "Water balance" in result.stderr


def test_command_refuses_a_foreign_folder_cleanly(tmp_path: Path) -> None:
    """A folder that is not a demo is a message on stderr and exit status 1."""
    (tmp_path / "notes.txt").write_text("mine")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path} is not empty")
