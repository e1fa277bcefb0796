from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.evaluation.pictures import _outlines
from bmi_dmg.evaluation.write import read_published, summary, write_evaluation
from dmg_core.errors import ConfigError, WriteError
from dmg_core.learning.evaluation import Evaluation, evaluate
from dmg_core.learning.loop.train import train
from dmg_core.learning.new_model import new_model
from tests.dmg_core.factories import make_settings
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_experiment

PUBLISHED = {"other": {"00000001": 0.5, "00000003": 0.7}, "elsewhere": {"99999999": 0.9}}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Evaluation of a model with random weights in three basins, one of which has no flow."""
    flow = make_basins().flow.copy()
    flow[:, 1] = np.nan
    data = replace(make_basins(), flow=flow, longitude=np.array([-80.0, -79.0, -78.0]))
    settings = make_settings("Hbv_2", attributes=data.attribute_names)
    model = new_model(settings, dict.fromkeys((*settings.forcings, *settings.attributes), (0.0, 1.0, 0.5, 1.0)), seed=0)
    return evaluate([model], [data], (str(data.dates[3 * YEAR]), str(data.dates[-1])))


def test_flow_is_written_by_gauge_and_time(evaluation: Evaluation, tmp_path: Path) -> None:
    """``simulation.nc`` gives simulated and observed flow in mm/d back, by gauge and time, with dates and places."""
    write_evaluation(tmp_path, evaluation, "a model", {})
    with xr.open_dataset(tmp_path / "simulation.nc") as written:
        assert written.streamflow.dims == ("gauge_id", "time")
        assert written.streamflow.attrs["units"] == "mm/d"
        assert list(written.gauge_id.values) == list(evaluation.basins.ids)
        np.testing.assert_array_equal(written.time.values.astype("datetime64[D]"), evaluation.basins.dates)
        np.testing.assert_allclose(written.streamflow.values.T, evaluation.simulated, rtol=1e-6)
        np.testing.assert_array_equal(written.streamflow_observed.values.T, evaluation.basins.flow.astype(np.float32))
        assert np.isnan(written.streamflow_observed.values[1]).all()
        assert written.streamflow_observed.attrs["cell_methods"] == "time: mean"
        np.testing.assert_array_equal(written.latitude.values, evaluation.basins.latitude)
        assert written.attrs["Conventions"] == "CF-1.8"


def test_all_pictures_are_drawn(evaluation: Evaluation, tmp_path: Path) -> None:
    """Scores, map, hydrographs and parameters are images that are not blank."""
    write_evaluation(tmp_path / "new" / "folder", evaluation, "a model", PUBLISHED)
    for name in ("scores", "map", "hydrographs", "parameters"):
        pixels = imread(tmp_path / "new" / "folder" / f"{name}.png")
        assert pixels[..., :3].std() > 0.01, name


def test_models_without_parameters_have_no_picture_of_them(evaluation: Evaluation, tmp_path: Path) -> None:
    """An LSTM alone has none, and neither has an ensemble with one; all else is drawn."""
    write_evaluation(tmp_path, replace(evaluation, parameters={}), "an LSTM", {})
    assert (tmp_path / "scores.png").exists()
    assert not (tmp_path / "parameters.png").exists()


def test_the_distribution_stands_beside_those_of_others(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The legend names each model with its median over the basins that ours has a score for; one without common basins is left out."""
    texts: list[str] = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **options: object) -> None:
        texts.extend(text.get_text() for axis in self.axes if axis.get_legend() for text in axis.get_legend().get_texts())
        save(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    write_evaluation(tmp_path, evaluation, "a model", PUBLISHED)
    assert texts == [f"a model: median {evaluation.median('nse'):.3f}, 2 basins", "other: median 0.600, 2 basins"]


def test_a_full_disk_is_told_and_leaves_no_half_file(evaluation: Evaluation, small_disk: Path) -> None:
    """A disk without room for the flow is named with its file, and nothing that looks whole is left."""
    (small_disk / "ballast").write_bytes(bytes(48_000))
    with pytest.raises(WriteError, match=rf"{small_disk / 'out' / 'simulation.nc'}: cannot be written: No space left on device"):
        write_evaluation(small_disk / "out", evaluation, "a model", {})
    assert list((small_disk / "out").iterdir()) == []


def test_without_observed_flow_there_is_flow_and_no_score(evaluation: Evaluation, tmp_path: Path) -> None:
    """Where nothing was observed, what needs scores is not drawn, and the summary says so."""
    nothing = {name: np.full_like(values, np.nan) for name, values in evaluation.scores.items()}
    blind = replace(evaluation, scores=nothing)
    write_evaluation(tmp_path, blind, "a model", PUBLISHED)
    assert {path.name for path in tmp_path.iterdir()} == {"simulation.nc", "scores.csv", "parameters.png"}
    assert summary(blind, PUBLISHED) == f"3 basins, {blind.basins.dates[0]} to {blind.basins.dates[-1]}, 0 with observed flow"


def test_the_summary_compares_over_the_same_basins(evaluation: Evaluation) -> None:
    """Medians are given, and those of another model over the basins that both have."""
    lines = summary(evaluation, PUBLISHED).splitlines()
    assert lines[1].startswith(f"Medians: NSE {evaluation.median('nse'):.3f}, KGE {evaluation.median('kge'):.3f}")
    assert lines[2:] == [f"Median NSE over the 2 basins that other has too: {evaluation.median('nse'):.3f}, other 0.600"]


def test_published_scores_are_read(tmp_path: Path) -> None:
    """Gauges keep their zeros, columns that are no numbers and missing values are left out; another file is refused."""
    (tmp_path / "table.csv").write_text("gauge_id,one,note\n01,0.5,a\n02,,b\n")
    assert read_published(tmp_path / "table.csv") == {"one": {"01": 0.5}}
    (tmp_path / "wrong.csv").write_text("basin,one\n01,0.5\n")
    with pytest.raises(ConfigError, match=r"wrong\.csv: no column 'gauge_id'; it has basin, one"):
        read_published(tmp_path / "wrong.csv")


def test_the_command_evaluates_a_training(tmp_path: Path) -> None:
    """``bmi-dmg evaluate`` reads data as the training did, writes all files, and prints the summary on stdout."""
    training = tmp_path / "training"
    train(make_experiment(epochs=1, iterations_per_epoch=1), training)
    data = make_basins()
    (tmp_path / "made.nc").touch()
    (tmp_path / "basins.txt").write_text("00000003\n00000001\n")
    period = [str(data.dates[3 * YEAR]), str(data.dates[-1])]
    arguments = ["evaluate", str(training), "--data", str(tmp_path / "made.nc"), "--basins", str(tmp_path / "basins.txt")]
    result = CliRunner().invoke(app, [*arguments, "--period", *period, "--out", str(tmp_path / "out"), "--warm-up", "50"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"2 basins, {period[0]} to {period[1]}, 2 with observed flow\nMedians: NSE")
    with xr.open_dataset(tmp_path / "out" / "simulation.nc") as written:
        assert list(written.gauge_id.values) == ["00000003", "00000001"]
    assert imread(tmp_path / "out" / "learning.png")[..., :3].std() > 0.01


def test_the_command_tells_errors_cleanly(tmp_path: Path) -> None:
    """A folder that is no model is a message and exit status 1."""
    (tmp_path / "made.nc").touch()
    arguments = ["evaluate", str(tmp_path), "--data", str(tmp_path / "made.nc"), "--period", "2001-01-01", "2001-12-31"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path}: missing files: config.yaml")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--attributes", "--basins", "--published", "--part", "--reader", "--data-option"])
def test_options_of_data_are_refused_where_there_are_none(tmp_path: Path, option: str) -> None:
    """Without ``--data`` no option that is about them is passed over without a word."""
    (tmp_path / "file").touch()
    value = {"--part": "testing", "--reader": "camels", "--data-option": "area=area"}.get(option, str(tmp_path / "file"))
    period = ["--period", "2001-01-01", "2001-12-31"]
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path), *period, "--out", str(tmp_path / "out"), option, value])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {option} goes with --data")


def test_maps_show_outlines_and_edges(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each map of scores and parameters has coasts and states under its points, which have edges, and no more land than around them."""
    maps = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **options: object) -> None:
        maps.extend(axis for axis in self.axes if [type(drawn) for drawn in axis.collections] == [PathCollection, LineCollection])
        save(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    write_evaluation(tmp_path, evaluation, "a model", {})
    assert len(maps) == 1 + len(evaluation.parameters)
    for axis in maps:
        points, lines = axis.collections
        assert points.get_linewidths().min() > 0.0
        assert lines.get_zorder() < points.get_zorder()
        (west, east), (south, north) = axis.get_xlim(), axis.get_ylim()
        longitude, latitude = points.get_offsets().T
        assert west < longitude.min() < longitude.max() < east < longitude.max() + 2.0
        assert south < latitude.min() <= latitude.max() < north


def test_outlines_are_those_of_the_earth() -> None:
    """A coast passes near Lisbon, Cape Town and Tokyo, a border of states where four of them meet, and none through the Pacific."""
    points = np.concatenate(_outlines())
    for longitude, latitude, near in [(-9.2, 38.7, 1.0), (18.4, -34.0, 1.0), (140.0, 35.5, 1.0), (-109.05, 37.0, 0.2)]:
        assert np.hypot(*(points - (longitude, latitude)).T).min() < near
    assert np.hypot(*(points - (-130.0, 5.0)).T).min() > 10.0
