from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core import Engine
from dmg_core.errors import ConfigError
from dmg_core.learning.data.material import Material, make_material
from dmg_core.learning.loop.faults import TrainingError
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.learning.loop.run_folder import RunFolder
from dmg_core.learning.loop.train import make_parts, train
from dmg_core.learning.loop.trainer import Counters, Trainer
from dmg_core.learning.loop.validation import Validation
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import read_experiment
from dmg_core.loading import load_model
from dmg_core.metrics import nse
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document, make_experiment


class InterruptionError(Exception):
    """Ends a training in the middle."""


class Recorder:
    """Watcher that remembers, and interrupts a training if told so."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.validations: list[Validation] = []
        self._interrupt_at = interrupt_at

    def iteration(self, counters: Counters, iterations: int, row: dict[str, Any]) -> None:
        """Remember an iteration."""
        self.rows.append(row)
        if row["iteration"] == self._interrupt_at:
            raise InterruptionError

    def validation(self, counters: Counters, iterations: int, validation: Validation) -> None:
        """Remember a validation."""
        self.validations.append(validation)


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints are equal, bit by bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def last_of(folder: Path) -> dict[str, Any]:
    """Last checkpoint of a training, without the time it took."""
    state: dict[str, Any] = torch.load(folder / "last.pt", weights_only=True)
    state["counters"].pop("seconds")
    return state


def log_of(folder: Path) -> list[dict[str, str]]:
    """Rows of a log, without the time they took."""
    with (folder / "log.csv").open() as stream:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


def run(material: Material, experiment: Experiment, folder: Path, watchers: Sequence[Recorder] = ()) -> Trainer:
    """Train on material that was made before."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(experiment.seed)
    trainer = Trainer(experiment, material, make_parts(experiment, material), RunFolder(folder), Ranks(), watchers)
    trainer.run()
    return trainer


#: Experiments in which everything that has a state takes part.
STATEFUL: list[dict[str, Any]] = [
    {"average": 0.9, "optimizer": {"name": "adadelta"}, "scheduler": {"name": "one_cycle"}},
    {"optimizer": {"name": "adamw"}, "scheduler": {"name": "cosine", "warm_up": 2}, "precision": "float64"},
]


@pytest.mark.parametrize("changes", STATEFUL)
@pytest.mark.parametrize("iteration", [1, 2, 3, 4, 6])
def test_a_resumed_training_equals_an_unbroken_one(changes: dict[str, Any], iteration: int, tmp_path: Path) -> None:
    """Interrupted anywhere and gone on with, weights, optimiser, log and model end bitwise as without interruption."""
    experiment = make_experiment(checkpoint_minutes=0.0, **changes)
    train(experiment, tmp_path / "unbroken")
    with pytest.raises(InterruptionError):
        train(experiment, tmp_path / "broken", watchers=[Recorder(iteration)])
    train(experiment, tmp_path / "broken", resume=True)
    assert same(last_of(tmp_path / "unbroken"), last_of(tmp_path / "broken"))
    assert log_of(tmp_path / "unbroken") == log_of(tmp_path / "broken")
    names = [sorted(file.name for file in (tmp_path / which / "model").iterdir()) for which in ("unbroken", "broken")]
    assert names[0] == names[1]
    weights = [load_model(tmp_path / which / "model").network.state_dict() for which in ("unbroken", "broken")]
    assert same(dict(weights[0]), dict(weights[1]))


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    """The same seed gives the same log and weights, another one others."""
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train(make_experiment(seed=seed), tmp_path / name)
    assert same(last_of(tmp_path / "one"), last_of(tmp_path / "same"))
    assert log_of(tmp_path / "one") == log_of(tmp_path / "same")
    assert log_of(tmp_path / "one") != log_of(tmp_path / "other")


def test_the_result_folder_is_complete(tmp_path: Path) -> None:
    """Model, log, checkpoint, experiment, split and versions are there; the log has a row an iteration and scores after each epoch."""
    model = train(make_experiment(), tmp_path / "run")
    assert model == tmp_path / "run" / "model"
    names = {file.name for file in (tmp_path / "run").iterdir()}
    assert names == {"model", "log.csv", "last.pt", "experiment.yaml", "split.json", "versions.json"}
    assert read_experiment(tmp_path / "run" / "experiment.yaml").model == make_experiment().model
    rows = log_of(tmp_path / "run")
    assert [row["iteration"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [row["epoch"] for row in rows] == ["1", "1", "1", "2", "2", "2"]
    assert [bool(row["validation_median_nse"]) for row in rows] == [False, False, True, False, False, True]
    assert all(math.isfinite(float(row["loss"])) and float(row["gradient_norm"]) > 0.0 for row in rows)


@pytest.mark.parametrize("physics", ["Hbv_1_1p", "Hbv_2"])
def test_the_engine_gives_what_validation_scored(physics: str, tmp_path: Path) -> None:
    """The model folder, run by the engine over the validation period, has the median NSE that the log says."""
    model_options = {**make_document()["model"], "physics": physics, "elevation": "slope", "upstream_area": "aridity"}
    if physics == "Hbv_2":
        model_options["mlp_hidden_size"] = 8
    data = make_basins()
    data = replace(data, upstream_area=data.attributes[:, 0] + 0.1, elevation=data.attributes[:, 1])
    data = replace(data, attributes=np.stack([data.upstream_area, data.elevation], axis=1))
    experiment = make_experiment(model=model_options, epochs=1, precision="float64")
    run(make_material(data, experiment), experiment, tmp_path)
    engine = Engine.from_folder(tmp_path / "model") if hasattr(Engine, "from_folder") else Engine(load_model(tmp_path / "model"))
    engine.add({name: data.attributes[:, column] for column, name in enumerate(data.attribute_names)})
    days = data.forcing[3 * YEAR - 50 :]
    flow = engine.run(days)["streamflow"][50:]
    expected = float(log_of(tmp_path)[-1]["validation_median_nse"])
    assert np.median(nse(flow, data.flow[3 * YEAR :])) == pytest.approx(expected, abs=1e-4)


def test_the_best_model_is_kept(tmp_path: Path) -> None:
    """The model folder holds the weights of the best validation alone, named by its epoch, though training went on."""
    recorder = Recorder()
    optimizer = {"name": "adam", "learning_rate": 0.3}
    train(make_experiment(epochs=6, optimizer=optimizer), tmp_path / "run", watchers=[recorder])
    scores = [validation.median_nse for validation in recorder.validations]
    best = int(np.argmax(scores)) + 1
    assert 1 < len(scores) == 6
    assert [file.name for file in (tmp_path / "run" / "model").glob("*.pt")] == [f"hbv_1_1p_ep{best}.pt"]
    assert load_model(tmp_path / "run" / "model").settings.epoch == best


def test_patience_ends_a_training(tmp_path: Path) -> None:
    """After so many validations without a better score the training ends, and a resumed one stays ended."""
    experiment = make_experiment(
        epochs=30, iterations_per_epoch=1, optimizer={"name": "adam", "learning_rate": 0.0}, validation={"warm_up": 20, "patience": 2}
    )
    recorder = Recorder()
    train(experiment, tmp_path / "run", watchers=[recorder])
    assert len(recorder.validations) == 3
    train(experiment, tmp_path / "run", resume=True, watchers=[recorder])
    assert len(recorder.validations) == 3


def test_the_average_is_what_is_validated_and_saved(tmp_path: Path) -> None:
    """With an average, the saved model has the averaged weights, and the training goes on with its own."""
    train(make_experiment(epochs=1, average=0.9), tmp_path / "run")
    state = last_of(tmp_path / "run")
    saved = load_model(tmp_path / "run" / "model").network.state_dict()
    assert same(dict(saved), state["average"]["weights"])
    assert not same(dict(saved), dict(state["network"]))


def test_gradients_are_clipped(tmp_path: Path) -> None:
    """With plain steps of the learning rate 1, no step is longer than the largest norm allowed; the log says the norm before."""
    from dmg_core.learning.loop.optimization import OPTIMIZERS

    if "plain_descent" not in OPTIMIZERS:
        OPTIMIZERS.register("plain_descent")(lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    experiment = make_experiment(epochs=1, iterations_per_epoch=1, gradient_clip=1e-3, optimizer={"name": "plain_descent"})
    material = make_material(make_basins(), experiment)
    before = {name: weight.clone() for name, weight in make_parts(experiment, material).model.network.state_dict().items()}
    run(material, experiment, tmp_path)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["network"]
    step = math.sqrt(sum(float((after[name] - before[name]).double().square().sum()) for name in before))
    assert step == pytest.approx(1e-3, rel=1e-3)
    assert float(log_of(tmp_path)[0]["gradient_norm"]) > 1e-3


def test_a_folder_with_a_training_is_refused(tmp_path: Path) -> None:
    """Without being told to go on, a folder that holds a training is refused and left as it is."""
    train(make_experiment(epochs=1), tmp_path / "run")
    before = (tmp_path / "run" / "last.pt").read_bytes()
    with pytest.raises(ConfigError, match="holds a training already"):
        train(make_experiment(epochs=1), tmp_path / "run")
    assert (tmp_path / "run" / "last.pt").read_bytes() == before
    with pytest.raises(ConfigError, match="holds no training"):
        train(make_experiment(), tmp_path / "nothing", resume=True)


def test_another_experiment_cannot_go_on(tmp_path: Path) -> None:
    """Going on with other settings is refused with what differs; places of data may change."""
    train(make_experiment(epochs=1), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"gradient_clip was 1.0 and is 2.0; sampler.days was 30 and is 31"):
        train(
            make_experiment(epochs=1, gradient_clip=2.0, sampler={**make_document()["sampler"], "days": 31}), tmp_path / "run", resume=True
        )
    train(make_experiment(epochs=1, data={"reader": "synthetic", "file": "moved"}), tmp_path / "run", resume=True)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """A checkpoint that cannot be read is named."""
    train(make_experiment(epochs=1), tmp_path / "run")
    (tmp_path / "run" / "last.pt").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"last\.pt: is damaged"):
        train(make_experiment(epochs=1), tmp_path / "run", resume=True)


def test_weather_that_is_no_number_stops_with_basin_and_date(tmp_path: Path) -> None:
    """NaN in the forcing of one basin ends the training with its id and the first date of it, and leaves the weights."""
    experiment = make_experiment(sampler={"name": "windows", "basins": 3, "days": 700, "warm_up": 20}, iterations_per_epoch=1)
    material = make_material(make_basins(), experiment)
    day = 2 * YEAR
    material.forcing[day, 1, 0] = torch.nan
    with pytest.raises(TrainingError) as error:
        run(material, experiment, tmp_path)
    assert f"the weather is no number in basins 00000002 from {material.dates[day]}" in str(error.value)
    assert "00000001" not in str(error.value)
    assert not (tmp_path / "last.pt").exists()


def test_a_gradient_that_is_no_number_stops_with_its_basins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the gradient is no number, the basins it comes from are named with the first day of the loss."""
    experiment = make_experiment(sampler={"name": "windows", "basins": 3, "days": 30, "warm_up": 20})
    material = make_material(make_basins(), experiment)
    parts = make_parts(experiment, material)
    poisoned = 2

    def loss(simulated: torch.Tensor, observed: torch.Tensor, basins: torch.Tensor) -> torch.Tensor:
        values = simulated.mean(dim=0)
        zero = (values - values.detach()).clamp_min(0.0)
        return values.sum() + torch.where(basins == poisoned, zero.sqrt() * 0.0, torch.zeros_like(zero)).sum()

    trainer = Trainer(experiment, material, replace(parts, loss=loss), RunFolder(tmp_path), Ranks())
    with pytest.raises(TrainingError, match=r"the gradient is no number; basins and first days of the loss: 00000003 from 200\d"):
        trainer.run()


def test_a_validation_that_is_no_number_stops_with_basin_and_date(tmp_path: Path) -> None:
    """NaN in the weather of the validation is not taken for a missing observation."""
    experiment = make_experiment(epochs=1)
    material = make_material(make_basins(), experiment)
    material.forcing[3 * YEAR + 5, 2, 0] = torch.nan
    with pytest.raises(TrainingError, match=rf"the weather is no number in basins 00000003 from {material.dates[3 * YEAR + 5]}"):
        run(material, experiment, tmp_path)


def overfitting(**changes: Any) -> dict[str, Any]:
    """Settings that fit one basin closely."""
    return {
        "model": {"physics": "Hbv_1_1p", "hidden_size": 16, "nmul": 4, "dynamic": ["parBETA", "parK0"]},
        "sampler": {"name": "windows", "basins": 1, "days": 365, "warm_up": 300},
        "optimizer": {"name": "adam", "learning_rate": 0.03},
        "scheduler": {"name": "cosine"},
        "epochs": 1,
        "iterations_per_epoch": 120,
        "validation": {"warm_up": 300},
        "attributes": [],
        **changes,
    }


def test_one_synthetic_basin_is_overfitted(tmp_path: Path) -> None:
    """Learned from and validated on the same days of one basin, the model reaches an NSE above 0.9."""
    data = make_basins(1)
    material = make_material(data, make_experiment(**overfitting(attributes=["aridity"])))
    experiment = make_experiment(**overfitting(attributes=["aridity"]))
    trainer = run(replace(material, judged=material.learned), experiment, tmp_path)
    assert trainer.counters.best_nse > 0.9


@pytest.fixture(scope="module")
def camels(shared: Path) -> Any:
    """Eight basins with flow, from snow to desert."""
    from dmg_core.data import read_camels

    ids = ["01013500", "02056900", "03144000", "06479438", "07066000", "08195000", "11264500", "12056500"]
    names = ("p_mean", "pet_mean", "aridity", "frac_snow", "elev_mean", "slope_mean")
    return read_camels(shared / "data" / "camels_us_daymet.nc", shared / "data" / "camels_us_attributes.csv", ids, names)


REAL = {"train": ["2000-10-01", "2005-09-30"], "validation": ["2005-10-01", "2008-09-30"]}


def test_one_real_basin_is_overfitted(camels: Any, tmp_path: Path) -> None:
    """Learned from and validated on the same years of one real basin, the model reaches an NSE above 0.9."""
    experiment = make_experiment(**overfitting(split=REAL, attributes=["aridity"], iterations_per_epoch=300))
    material = make_material(camels.select(["01013500"]), experiment)
    trainer = run(replace(material, judged=material.learned), experiment, tmp_path)
    assert trainer.counters.best_nse > 0.9


def test_the_loss_falls_on_real_basins(camels: Any, tmp_path: Path) -> None:
    """On eight real basins the loss of the last iterations is well below that of the first, and so validates."""
    experiment = make_experiment(
        **overfitting(
            split=REAL,
            attributes=list(camels.attribute_names),
            sampler={"name": "windows", "basins": 8, "days": 365, "warm_up": 200},
            iterations_per_epoch=40,
        )
    )
    recorder = Recorder()
    trainer = run(make_material(camels, experiment), experiment, tmp_path, [recorder])
    losses = [row["loss"] for row in recorder.rows]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])
    assert trainer.counters.best_nse > 0.3


def test_torch_is_set_while_gradients_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each step torch has the experiment's threads and takes denormal numbers for zero, and denormals are back afterwards."""
    seen, backward = [], torch.Tensor.backward

    def denormals() -> bool:
        return bool((torch.tensor([1e-310], dtype=torch.float64) * 1.0 != 0.0).item())

    def watched(tensor: torch.Tensor, *arguments: Any, **keywords: Any) -> None:
        seen.append((torch.get_num_threads(), denormals()))
        backward(tensor, *arguments, **keywords)

    monkeypatch.setattr(torch.Tensor, "backward", watched)
    before = torch.get_num_threads()
    try:
        train(make_experiment(epochs=1, threads=3), tmp_path / "run")
        assert seen == [(3, not torch.set_flush_denormal(False))] * 3
        assert denormals()
    finally:
        torch.set_num_threads(before)
