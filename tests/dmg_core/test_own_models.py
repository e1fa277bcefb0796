"""Tests of models of users' own: trained, written as a model folder, stepped by an engine, saved and restarted."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from dmg_core import Engine, load_model
from dmg_core.engine.state_access import read_state
from dmg_core.errors import CheckpointError
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.experiment_file import read_experiment
from dmg_core.models import PROCESS_MODELS
from dmg_core.networks import NETWORKS
from tests.dmg_core.factories import make_weather
from tests.dmg_core.learning.synthetic import make_document

PLUGIN = '''
import torch
from torch import nn

from dmg_core.models import Flux, Forcing, Parameter, PROCESS_MODELS, ProcessModel, Store
from dmg_core.networks import NETWORKS, SeriesNetwork


@PROCESS_MODELS.register("TwoBuckets")
class TwoBuckets(ProcessModel):
    """Snow and ground: a degree-day factor and a linear store."""

    forcings = (
        Forcing("P", "mm", aggregate="sum"), Forcing("T", "degC", aggregate="mean"), Forcing("PET", "mm", aggregate="sum")
    )
    parameters = (
        Parameter("parTT", -2.5, 2.5, "degC", "snow threshold"),
        Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d", "melt factor"),
        Parameter("parK", 0.01, 0.9, "1/d", "recession"),
    )
    stores = (Store("snow", "mm"), Store("ground", "mm"))
    fluxes = (Flux("runoff", "mm", balance="out", routed=True), Flux("aet", "mm", balance="out"), Flux("melt", "mm"))

    def step(self, s, p, x, dt):
        rain = torch.where(x.T >= p.TT, x.P, 0.0)
        snow = s.snow + (x.P - rain)
        melt = torch.minimum(torch.clamp(p.CFMAX * (x.T - p.TT) * dt, min=0.0), snow)
        ground = s.ground + rain + melt
        aet = torch.minimum(x.PET * 0.5, ground)
        runoff = p.K * dt * (ground - aet)
        return {"snow": snow - melt, "ground": ground - aet - runoff}, {"runoff": runoff, "aet": aet, "melt": melt}


class Gru(SeriesNetwork):
    def __init__(self, inputs, outputs, hidden):
        super().__init__()
        self.cell = nn.GRU(inputs, hidden)
        self.out = nn.Linear(hidden, outputs)

    @property
    def state_sizes(self):
        return {"memory": self.cell.hidden_size}

    def advance(self, x, state):
        series, last = self.cell(x, state[0][None].contiguous())
        return self.out(series), (last[0],)


@NETWORKS.register("Gru")
def make_gru(settings, physics, dropout):
    inputs = len(settings.forcings) + len(settings.attributes)
    return Gru(inputs, len(physics.table) * settings.nmul + len(physics.routing.parameters), settings.hidden_size)
'''

#: Modules of the tests, so that each has one of its own.
_count = iter(range(1000))


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[str]:
    """Write a plugin beside an experiment and give its name; what it registers goes with the test."""
    name = f"two_buckets_{next(_count)}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    yield name
    forget(name)
    sys.path[:] = [place for place in sys.path if not place.startswith(str(tmp_path))]


def forget(name: str) -> None:
    """Let a plugin be as if it had never been imported."""
    sys.modules.pop(name, None)
    PROCESS_MODELS._entries.pop("TwoBuckets", None)
    NETWORKS._entries.pop("Gru", None)


def trained(folder: Path, plugin: str, network: str = "Gru", **changes: object) -> Path:
    """Train a little and give the model folder."""
    model = {"physics": "TwoBuckets", "network": network, "hidden_size": 5, "nmul": 2, "dynamic": ["parK"], **changes}
    plugins = ["tests.dmg_core.learning.synthetic", plugin]
    (folder / "experiment.yaml").write_text(yaml.safe_dump(make_document(plugins=plugins, model=model, epochs=1)))
    return train(read_experiment(folder / "experiment.yaml"), folder / "run")


ATTRIBUTES = {"aridity": np.array([0.5, 1.2]), "slope": np.array([1.0, 0.3])}


def test_a_trained_model_is_a_folder_like_any_other(tmp_path: Path, plugin: str) -> None:
    """Config, statistics and weights as safetensors are there; a fresh process state loads it by the plugin that the config names."""
    folder = trained(tmp_path, plugin)
    assert sorted(file.name for file in folder.iterdir()) == ["config.yaml", "normalization_statistics.json", "twobuckets_ep1.safetensors"]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["plugins"] == [plugin]
    before = load_model(folder).network.state_dict()
    shutil.copytree(folder, tmp_path / "copy")
    forget(plugin)
    after = load_model(tmp_path / "copy").network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("network", ["Gru", "LstmModel"])
def test_the_engine_steps_it_and_restarts_it_exactly(tmp_path: Path, plugin: str, network: str) -> None:
    """Outputs are the model's own, the balance closes, and a captured state goes on as if nothing had happened, network state included."""
    folder = trained(tmp_path, plugin, network)
    engine, twin = (Engine.from_folder(folder, "float64") for _ in range(2))
    for each in (engine, twin):
        each.add(ATTRIBUTES, ids=["a", "b"])
    series = make_weather(40, 2)
    engine.run(series[:25])
    assert engine.outputs == ("streamflow", "unrouted_streamflow", "routed_runoff", "pet", "runoff", "aet", "melt", "snow", "ground")
    state = engine.capture(slice(0, 2))
    assert ("memory" in state) == (network == "Gru")
    for row in range(2):
        twin.restore(row, {name: array[row] for name, array in state.items()}, "here")
    for step in series[25:]:
        expected, found = engine.step(step), twin.step(step)
        assert all(np.array_equal(found[name], expected[name]) for name in engine.outputs)
    budget = engine.budget()
    assert (np.abs(budget["residual"]) < 1e-9 * budget["precipitation"]).all()
    assert set(budget) == {"precipitation", "aet", "streamflow", "increments", "storage_change", "reanchoring", "residual"}


def test_stepping_is_the_batch_bit_for_bit(tmp_path: Path, plugin: str) -> None:
    """With an LSTM, compiled code steps a user's own equations, one catchment after the other, with the bits of a batch run."""
    folder = trained(tmp_path, plugin, "LstmModel")
    series = make_weather(30, 2)
    engines = [Engine.from_folder(folder, backend="compiled") for _ in range(2)]
    for each in engines:
        each.add(ATTRIBUTES)
        each.settle_from_series(slice(0, 2), series)
    whole = engines[0].run(series)
    for t, step in enumerate(series):
        for row in range(2):
            values = engines[1].advance(row, *step[row])
            assert all(values[place] == whole[name][t, row] for place, name in enumerate(engines[1].outputs))


def test_the_state_of_its_network_is_read_by_name(tmp_path: Path, plugin: str) -> None:
    """Data assimilation finds the parts of a network's state under the names that the network gives them."""
    engine = Engine.from_folder(trained(tmp_path, plugin))
    catchment, _ = engine.add(ATTRIBUTES)
    engine.run(make_weather(3, 2))
    assert read_state(catchment, "network_memory").shape == (5,)
    assert read_state(catchment, "ground").shape == (2,)


def test_a_plugin_that_cannot_be_imported_says_so(tmp_path: Path, plugin: str) -> None:
    """The error names the config, the module, and where it was looked for."""
    folder = trained(tmp_path, plugin)
    forget(plugin)
    (tmp_path / f"{plugin}.py").unlink()
    with pytest.raises(CheckpointError, match=rf"config.yaml: plugins: {plugin} cannot be imported: No module named.*looked for"):
        load_model(folder)


def test_changed_equations_are_refused(tmp_path: Path, plugin: str) -> None:
    """Weights do not go with other equations than those they were trained with; a changed comment or name of a variable is no change."""
    folder, file = trained(tmp_path, plugin), tmp_path / f"{plugin}.py"
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    try:
        forget(plugin)
        file.write_text(PLUGIN.replace("rain = torch", "liquid = torch").replace("rain", "liquid") + "# nothing else\n")
        load_model(folder)
        forget(plugin)
        file.write_text(PLUGIN.replace("x.PET * 0.5", "x.PET * 0.7"))
        with pytest.raises(CheckpointError, match="the equations of TwoBuckets have changed since the weights were trained"):
            load_model(folder)
    finally:
        sys.dont_write_bytecode = before
