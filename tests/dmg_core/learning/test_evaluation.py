from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.errors import AttributeTableError, ConfigError, SolutionError
from dmg_core.learning.evaluation import Evaluation, data_settings_of, evaluate, evaluate_folders, write_scores
from dmg_core.learning.evaluation_parts import evaluate_parts
from dmg_core.learning.loop.train import train
from dmg_core.learning.new_model import new_model
from dmg_core.metrics import METRICS, nse
from dmg_core.model import DeltaModel
from dmg_core.models import PROCESS_MODELS
from dmg_core.sensitivity import analyse
from tests.dmg_core.equations.rate_models import Jump
from tests.dmg_core.factories import make_settings
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document, make_experiment

DATA = make_basins()
PERIOD = (str(DATA.dates[3 * YEAR]), str(DATA.dates[-1]))


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two short trainings that differ in their seed."""
    folders = [tmp_path_factory.mktemp("trainings") / name for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        train(make_experiment(seed=seed, epochs=1), folder)
    return folders


def evaluated(folders: list[Path], **options: Any) -> Evaluation:
    """Evaluate on the synthetic basins, the last year of which was not learned from."""
    return evaluate_folders(folders, Path("made"), None, PERIOD, warm_up=50, **options)


def test_an_evaluation_scores_what_the_validation_did(trainings: list[Path]) -> None:
    """Over the validation period, after the same warm-up, the median NSE is that of the log."""
    with (trainings[0] / "log.csv").open() as stream:
        logged = float(list(csv.DictReader(stream))[-1]["validation_median_nse"])
    assert evaluated(trainings[:1]).median("nse") == pytest.approx(logged, abs=1e-5)


def test_a_training_and_its_model_folder_are_the_same(trainings: list[Path]) -> None:
    """Whether the folder of a training or the model folder in it is named, data are read and flow comes out the same."""
    np.testing.assert_array_equal(evaluated(trainings[:1]).simulated, evaluated([trainings[0] / "model"]).simulated)


def test_several_models_are_averaged_before_they_are_scored(trainings: list[Path]) -> None:
    """Flow of an ensemble is the mean of its members', and its scores are those of that mean."""
    one, two, both = evaluated(trainings[:1]), evaluated(trainings[1:]), evaluated(trainings)
    assert not np.array_equal(one.simulated, two.simulated)
    np.testing.assert_allclose(both.simulated, (one.simulated + two.simulated) / 2.0, rtol=1e-12)
    np.testing.assert_allclose(both.scores["nse"], nse(both.simulated, both.basins.flow), rtol=1e-12)
    np.testing.assert_allclose(both.parameters["parFC"], (one.parameters["parFC"] + two.parameters["parFC"]) / 2.0, rtol=1e-6)


def test_basins_can_be_chosen(trainings: list[Path]) -> None:
    """A basin alone has the flow it has among others."""
    alone = evaluated(trainings[:1], ids=["00000002"])
    assert alone.basins.ids == ("00000002",)
    np.testing.assert_allclose(alone.simulated[:, 0], evaluated(trainings[:1]).simulated[:, 1], rtol=1e-5)


def test_a_warm_up_is_the_beginning_of_a_longer_run(trainings: list[Path]) -> None:
    """Results begin with the period and are those of a run that began as many days before it, from empty stores."""
    warm = evaluated(trainings[:1])
    assert warm.simulated.shape == (YEAR, 3)
    assert warm.basins.dates[0] == np.datetime64(PERIOD[0])
    longer = (str(DATA.dates[3 * YEAR - 50]), PERIOD[1])
    cold = evaluate_folders(trainings[:1], Path("made"), None, longer, warm_up=0)
    np.testing.assert_allclose(warm.simulated, cold.simulated[50:], rtol=1e-12)


def test_parts_of_folds_are_put_together(tmp_path: Path) -> None:
    """Each fold in space is scored on its own held-out basins alone, by the model that has not seen them."""
    folds = [tmp_path / f"fold-{fold}" for fold in range(2)]
    split = {**make_document()["split"], "name": "space", "folds": 2}
    for fold, folder in enumerate(folds):
        train(make_experiment(seed=fold, epochs=1, split={**split, "fold": fold}), folder)
    whole = evaluate_parts(folds, "testing", Path("made"), None, PERIOD, warm_up=50)
    assert np.isfinite(whole.scores["nse"]).all()
    for folder in folds:
        alone, part = evaluated([folder]), evaluate_parts([folder], "testing", Path("made"), None, PERIOD, warm_up=50)
        tested = np.isfinite(part.scores["nse"])
        assert 0 < tested.sum() < len(tested)
        np.testing.assert_array_equal(whole.scores["nse"][tested], alone.scores["nse"][tested])
    with pytest.raises(ConfigError, match="are those of another training too"):
        evaluate_parts([folds[0], folds[0]], "testing", Path("made"), None, PERIOD, warm_up=50)
    with pytest.raises(ConfigError, match=r"there is no split.json"):
        evaluate_parts([tmp_path], "testing", Path("made"), None, PERIOD)


def model_of(physics: str, attributes: tuple[str, ...] = DATA.attribute_names) -> DeltaModel:
    """Model with random weights."""
    settings = make_settings(physics, attributes=attributes)
    return new_model(settings, dict.fromkeys((*settings.forcings, *attributes), (0.0, 1.0, 0.5, 1.0)), seed=0)


@pytest.mark.parametrize("physics", ["Hbv_1_1p", "Hbv_2"])
def test_parameters_are_means_of_what_the_equations_take(physics: str) -> None:
    """Each is the mean over components, and of dynamic ones over days, of values within its range."""
    model = model_of(physics)
    data = DATA.period(DATA.dates[0], DATA.dates[199])
    tensors = [torch.from_numpy(array) for array in (data.forcing, data.attributes, data.upstream_area, data.elevation)]
    values = model.mean_parameters(*tensors)
    table = {parameter.name: parameter for parameter in model.physics.table}
    routes = ["route_a", "route_b"] if model.physics.routing.parameters else []
    assert list(values) == [*table, *routes]
    for name, parameter in table.items():
        assert ((values[name] >= parameter.low) & (values[name] <= parameter.high)).all()
    (dynamic, static, _), _ = model.fractions_and_site(*tensors[:2], model._named(tuple(tensors[2:]), {}))
    changing, steady = model.physics.dynamic_parameters[0], model.physics.static_parameters[0]
    torch.testing.assert_close(values[changing.name], changing.scale(dynamic[:, :, 0]).mean(dim=(0, 2)), check_dtype=False)
    torch.testing.assert_close(values[steady.name], steady.scale(static[:, 0]).mean(dim=1), check_dtype=False)


def test_a_period_beyond_the_data_is_refused() -> None:
    """The error says which days there are."""
    with pytest.raises(ConfigError, match=r"the data have 2000-01-01 to 2003-12-30, not all of 2003-01-01 to 2010-01-01"):
        evaluate([model_of("Hbv_2")], [DATA], ("2003-01-01", "2010-01-01"))


@PROCESS_MODELS.register("GateOfEvaluations")
class Gate(Jump):
    """A gate that opens at 10 mm, with the weather of all basins."""

    forcings = PROCESS_MODELS["Hbv_1_1p"].forcings


@pytest.mark.parametrize(
    "how", [evaluate, lambda models, data, period: analyse(models[0], data[0], period)], ids=["scores", "elasticities"]
)
def test_flow_that_is_no_number_is_told_with_basin_and_day(how: Any) -> None:
    """It is not passed over as a day without an observation."""
    settings = make_settings("GateOfEvaluations", nmul=1, dynamic=(), routing=False, attributes=DATA.attribute_names)
    model = new_model(settings, dict.fromkeys((*settings.forcings, *settings.attributes), (0.0, 10.0, 3.0, 5.0)), 1)
    forcing = np.zeros_like(DATA.forcing)
    forcing[YEAR + 30 :, 1, 0] = 3.0  # on the fourth day of rain the gate can be neither open nor closed
    day = DATA.dates[YEAR + 33]
    with pytest.raises(SolutionError, match=rf"^{DATA.ids[1]}: GateOfEvaluations gives no number from {day} on: its equations have no sol"):
        how([model], [replace(DATA, forcing=forcing, flow=np.full_like(DATA.flow, np.nan))], (DATA.dates[YEAR], DATA.dates[YEAR + 60]))


def test_attributes_that_are_not_there_are_named() -> None:
    """A model that takes other attributes than the data have is refused."""
    with pytest.raises(AttributeTableError, match="the data have no attributes clay; they have aridity, slope"):
        evaluate([model_of("Hbv_2", ("aridity", "clay"))], [DATA], PERIOD)


def test_models_on_different_basins_are_refused() -> None:
    """The mean of several models needs the same basins for each."""
    models = [model_of("Hbv_2")] * 2
    with pytest.raises(ConfigError, match="only on the same basins"):
        evaluate(models, [DATA, DATA.select(DATA.ids[:2])], PERIOD)


def test_basins_without_flow_are_run_and_not_scored(tmp_path: Path) -> None:
    """A basin without observations has flow, no score, and an empty place in the table; medians leave it out."""
    flow = DATA.flow.copy()
    flow[:, 1] = np.nan
    evaluation = evaluate([model_of("Hbv_2")], [replace(DATA, flow=flow)], PERIOD)
    assert np.isfinite(evaluation.simulated).all()
    assert evaluation.scored == 2
    assert evaluation.median("nse") == np.median(evaluation.scores["nse"][[0, 2]])
    write_scores(tmp_path / "scores.csv", evaluation.basins.ids, evaluation.scores)
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["gauge_id"] for row in rows] == list(DATA.ids)
    assert list(rows[0]) == ["gauge_id", *METRICS]
    assert rows[1]["nse"] == ""
    assert float(rows[2]["nse"]) == pytest.approx(evaluation.scores["nse"][2], rel=1e-5)


def test_data_are_read_as_in_the_training(trainings: list[Path], tmp_path: Path) -> None:
    """The experiment beside or in a model folder says which reader; without one it is CAMELS', and a named one always wins."""
    file = Path("elsewhere.nc")
    assert data_settings_of(trainings[0], file, None).reader == make_document()["data"]["reader"]
    assert data_settings_of(trainings[0] / "model", file, None).reader == "synthetic"
    assert data_settings_of(trainings[0], file, None, reader="series").reader == "series"
    assert data_settings_of(tmp_path / "nothing" / "model", file, None).reader == "camels"
    assert data_settings_of(trainings[0], file, None).file == file
