"""Tests of models of every shape: one forcing or four, with stores or without, with few declarations or many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core import DeltaModel, Engine
from dmg_core.checkpoint import ModelSettings
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.learning.data.material import make_material
from dmg_core.learning.evaluation import evaluate
from dmg_core.learning.loop.ranks import started_ranks
from dmg_core.learning.loop.run_folder import RunFolder
from dmg_core.learning.loop.train import make_parts
from dmg_core.learning.loop.trainer import Trainer
from dmg_core.learning.new_model import new_model
from dmg_core.models import PROCESS_MODELS, Flux, Forcing, Layout, Parameter, ProcessModel, Store
from tests.dmg_core.factories import make_weather
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_experiment


class OneForcing(ProcessModel):
    """A store that rain fills."""

    forcings = (Forcing("P", "mm", aggregate="sum"),)
    parameters = (Parameter("parK", 0.01, 0.9, "1/d"),)
    stores = (Store("S", "mm"),)
    fluxes = (Flux("runoff", "mm", balance="out", routed=True),)

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Any:  # noqa: D102
        runoff = p.K * dt * (s.S + x.P)
        return {"S": s.S + x.P - runoff}, {"runoff": runoff}


class FourForcings(ProcessModel):
    """Evaporation by a balance of energy; humidity and wind count, too."""

    forcings = (Forcing("P", "mm", aggregate="sum"), Forcing("T", "degC"), Forcing("humidity", "1"), Forcing("wind", "m s-1"))
    parameters = (Parameter("parK", 0.01, 0.9, "1/d"), Parameter("parE", 0.1, 2.0, "1"))
    stores = (Store("S", "mm"),)
    fluxes = (Flux("runoff", "mm", balance="out", routed=True), Flux("aet", "mm", balance="out"))

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Any:  # noqa: D102
        demand = p.E * torch.clamp(x.T, min=0.0) * (1.0 - x.humidity) * (1.0 + 0.1 * x.wind)
        aet = torch.minimum(demand, s.S + x.P)
        runoff = p.K * dt * (s.S + x.P - aet)
        return {"S": s.S + x.P - aet - runoff}, {"runoff": runoff, "aet": aet}


class DegreeDays(ProcessModel):
    """Potential melt of a day: no stores, and no day knows of another."""

    forcings = (Forcing("T", "degC"),)
    parameters = (Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d"), Parameter("parTT", -2.5, 2.5, "degC"))
    fluxes = (Flux("potential_melt", "mm"),)

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Any:  # noqa: D102
        return {}, {"potential_melt": p.CFMAX * torch.clamp(x.T - p.TT, min=0.0) * dt}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Register the models for the length of a test."""
    kinds = {"OneForcing": OneForcing, "FourForcings": FourForcings, "DegreeDays": DegreeDays}
    for name, kind in kinds.items():
        PROCESS_MODELS.register(name)(kind)
    yield
    for name in kinds:
        PROCESS_MODELS._entries.pop(name)


def model_of(name: str, **changes: Any) -> DeltaModel:
    """Put an untrained model together, in float64."""
    process = PROCESS_MODELS[name]
    settings = ModelSettings(
        physics=name,
        network="LstmModel",
        nmul=2,
        routing=True,
        nearzero=1e-5,
        dynamic=(process.parameters[0].name,),
        forcings=tuple(forcing.name for forcing in process.forcings),
        attributes=("slope",),
        log_norm=(),
        hidden_size=4,
        mlp_hidden_size=None,
    )
    statistics = dict.fromkeys((*settings.forcings, "slope"), (0.0, 10.0, 3.0, 5.0))
    return new_model(replace(settings, **changes), statistics, 1).double()


def weather_of(name: str, steps: int, catchments: int) -> np.ndarray:
    """Forcing (T, N, F) of a model."""
    rain, warmth, demand = np.moveaxis(make_weather(steps, catchments), -1, 0)
    rng = np.random.default_rng(3)
    series = {"P": rain, "T": warmth, "PET": demand, "humidity": rng.random(rain.shape), "wind": 5.0 * rng.random(rain.shape)}
    return np.stack([series[forcing.name] for forcing in PROCESS_MODELS[name].forcings], axis=-1)


@pytest.mark.parametrize("name", ["OneForcing", "FourForcings", "DegreeDays", "Gr4", "Gr4_implicit", "Hymod", "Hbv_implicit", "none"])
@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_an_engine_steps_models_of_any_shape(name: str, backend: str) -> None:
    """Outputs are the torch form's, steps and a restart are the batch, the balance closes, whatever the numbers of forcings and stores."""
    model, series = model_of(name), weather_of(name, 25, 3)
    slope = np.array([1.0, 2.0, 5.0])
    with torch.no_grad():
        expected, _ = model(series, slope[:, None])
    engine, stepped, stopped, resumed = (Engine(model, backend=backend) for _ in range(4))
    for each in (engine, stepped, stopped, resumed):
        each.add({"slope": slope})
        each.settle_from_series(slice(0, 3), series)
    found = engine.run(series)
    steps = [stepped.step(step) for step in series]
    stopped.run(series[:10])
    kept = stopped.capture(slice(0, 3))
    for row in range(3):
        resumed.restore(row, {field: array[row] for field, array in kept.items()}, "a restart")
    later = resumed.run(series[10:])
    assert tuple(found) == model.physics.layout.outputs == Layout.of(model.physics.process).outputs
    for output, values in found.items():
        np.testing.assert_allclose(values, expected[output].numpy(), rtol=1e-9, atol=1e-11, err_msg=output)
        together = np.stack([step[output] for step in steps])
        tolerance = 0.0 if backend == "compiled" else 1e-10
        np.testing.assert_allclose(together, values, rtol=tolerance, atol=tolerance, err_msg=output)
        np.testing.assert_allclose(later[output], values[10:], rtol=tolerance, atol=tolerance, err_msg=output)
    budget = engine.budget()
    if model.physics.layout.budget:
        np.testing.assert_allclose(budget["residual"], 0.0, atol=1e-11 * budget["precipitation"].max())


def test_forcing_of_another_model_is_refused() -> None:
    """The number of forcings is the model's own, and their names are told."""
    engine = Engine(model_of("FourForcings"))
    catchment, _ = engine.add({"slope": [1.0, 2.0]})
    with pytest.raises(ForcingError, match=r"has shape \(1, 2, 3\), expected \(T, 2, 4\): P, T, humidity, wind"):
        engine.run(np.ones((1, 2, 3)))
    engine.settle_from_series(slice(0, 2), weather_of("FourForcings", 5, 2))
    with pytest.raises(ForcingError, match=r"expected one value each of precipitation, temperature, humidity, wind; found 1\.0, 2\.0"):
        catchment.step(1.0, 2.0)
    assert catchment.step(1.0, 2.0, humidity=0.5, wind=3.0)["runoff"] >= 0.0


def test_two_outputs_of_one_name_are_refused() -> None:
    """A store and a flux of one name could not be told apart."""

    class Doubled(OneForcing):
        stores = (Store("S", "mm", output="runoff"),)

    with pytest.raises(ConfigError, match="outputs need names of their own; found twice: runoff"):
        Layout.of(Doubled())


@pytest.mark.parametrize("physics", ["DegreeDays", "OneForcing", "none"])
def test_models_of_any_shape_train_and_are_evaluated(physics: str, tmp_path: Path) -> None:
    """What was observed may be another quantity than flow; training lowers the error of a model without stores and time, too."""
    data = make_basins()
    melt = 3.0 * np.maximum(data.forcing[..., 1] - 0.5, 0.0)
    data = replace(data, flow=melt if physics == "DegreeDays" else data.flow, observed_name="melt" if physics == "DegreeDays" else "flow")
    changes = {"physics": physics, "network": "LstmModel", "hidden_size": 4, "nmul": 1, "dynamic": [], "routing": False}
    experiment = make_experiment(model=changes, optimizer={"name": "adam", "learning_rate": 0.05}, epochs=4, iterations_per_epoch=10)
    material = make_material(data, experiment)
    with started_ranks() as ranks:
        parts = make_parts(experiment, material)
        folder = RunFolder(tmp_path)
        Trainer(experiment, material, parts, folder, ranks).run()
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[2]) for row in rows]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    period = (data.dates[3 * YEAR], data.dates[-1])
    result = evaluate([parts.model], [data], period, warm_up=20)
    assert result.simulated.shape == (YEAR, 3)
    assert np.isfinite(result.simulated).all()
    if physics == "DegreeDays":
        assert result.median("nse") > 0.5
