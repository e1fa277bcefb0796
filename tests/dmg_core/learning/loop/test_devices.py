"""Tests of the device that a training runs on.

Without a GPU, torch's device ``meta`` stands for one: it has shapes but no numbers, and refuses to mix with tensors of the CPU. So what
runs there has brought all its tensors along.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.errors import ConfigError
from dmg_core.learning.data.gauge_material import load_gauge_material
from dmg_core.learning.data.hourly_material import make_hourly_material
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.material import make_material
from dmg_core.learning.loop.devices import device_of
from dmg_core.learning.loop.optimization import MovingAverage
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.learning.loop.train import make_parts, train
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.loading import load_model
from tests.dmg_core.learning.hourly_synthetic import make_data, make_hourly_experiment
from tests.dmg_core.learning.loop.test_trainer import InterruptionError, Recorder
from tests.dmg_core.learning.synthetic import make_basins, make_experiment
from tests.dmg_core.learning.unit_data import make_files, unit_experiment

GPU = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU")])


def of_basins(_: Path) -> tuple[Experiment, Lessons]:
    """Basins, measured themselves."""
    experiment = make_experiment()
    return experiment, make_material(make_basins(), experiment)


def of_gauges(folder: Path) -> tuple[Experiment, Lessons]:
    """Gauges below units, with a way for each pair."""
    make_files().write(folder)
    experiment = unit_experiment(folder, channels={"per": "pair", "attributes": ["length_km"], "hidden_size": 4})
    return experiment, load_gauge_material(experiment)


def of_hours(_: Path) -> tuple[Experiment, Lessons]:
    """Hours after days, with ways from units to gauges."""
    experiment = make_hourly_experiment()
    return experiment, make_hourly_material(make_data(lumped=False), experiment)


KINDS = [of_basins, of_gauges, of_hours]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device", ["meta", GPU])
def test_all_of_a_batch_is_brought_to_the_device(tmp_path: Path, kind: Any, device: str) -> None:
    """Windows of basins, of gauges with channels, and of hours run where the model is, gradients too."""
    experiment, material = kind(tmp_path)
    parts = make_parts(experiment, material, torch.device(device))
    compared = material.compare(parts.model, parts.sampler.draw(), parts.sampler)
    assert compared.simulated.device.type == device
    assert compared.simulated.shape == compared.observed.shape
    compared.simulated.sum().backward()
    assert {weight.grad.device.type for weight in parts.model.parameters() if weight.grad is not None} == {device}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_validation_is_run_on_the_device(tmp_path: Path, kind: Any) -> None:
    """What runs otherwise in a validation than in training runs where the model is, too."""
    experiment, material = kind(tmp_path)
    model = make_parts(experiment, material, torch.device("meta")).model.eval()
    material.judged[np.flatnonzero(np.isfinite(material.judged).any(axis=1))[30:]] = np.nan
    with torch.no_grad():
        part = next(material.judge(model, np.arange(1), 10))
    assert part.simulated.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_loss_and_gradient_of_the_cpu(tmp_path: Path, kind: Any) -> None:
    """What torch computes on a GPU is what compiled code computes on the CPU, to rounding."""
    experiment, material = kind(tmp_path)
    found = []
    for device in ("cpu", "cuda"):
        parts = make_parts(experiment, material, torch.device(device))
        parts.model.double().eval()
        batch = parts.sampler.draw()
        simulated = material.compare(parts.model, batch, parts.sampler).simulated.double()
        gradients = torch.autograd.grad(simulated.square().mean(), list(parts.model.parameters()), allow_unused=True)
        found.append([simulated.cpu(), *(gradient.cpu() for gradient in gradients if gradient is not None)])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, mine, rtol=1e-3, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU")
def test_a_training_on_a_gpu_goes_on_bitwise(tmp_path: Path) -> None:
    """Interrupted and resumed on the same GPU, it ends with the same weights; its model folder is read on a CPU."""
    experiment = make_experiment(device="cuda")
    train(experiment, tmp_path / "whole")
    with pytest.raises(InterruptionError):
        train(experiment, tmp_path / "cut", watchers=[Recorder(interrupt_at=3)])
    train(experiment, tmp_path / "cut", resume=True)
    one, other = (load_model(tmp_path / name / "model").state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_training_that_goes_on_elsewhere_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A checkpoint of a GPU is gone on from on a CPU, with a warning, because random numbers differ."""
    experiment = make_experiment(checkpoint_minutes=0.0)
    with pytest.raises(InterruptionError):
        train(experiment, tmp_path / "training", watchers=[Recorder(interrupt_at=3)])
    last = tmp_path / "training" / "last.pt"
    state = torch.load(last, weights_only=True)
    torch.save({**state, "device": "cuda"}, last)
    train(experiment, tmp_path / "training", resume=True)
    assert f"{last} was written on cuda; on cpu a training ends with other weights" in caplog.text


def test_an_average_stays_where_it_is() -> None:
    """What a checkpoint holds on the CPU is brought to the device of the network."""
    average = MovingAverage(torch.nn.Linear(2, 1, device="meta"), 0.9)
    average.load_state_dict({"updates": 3, "weights": {name: torch.zeros(weight.shape) for name, weight in average.weights.items()}})
    assert {weight.device.type for weight in average.weights.values()} == {"meta"}


@pytest.mark.parametrize("name", ["gpu", "cuda:one", "CPU"])
def test_a_device_that_is_none_is_refused_with_the_experiment(name: Any) -> None:
    """The key is named, before any data are read."""
    with pytest.raises(ConfigError, match=r"device.*cpu, cuda, or one GPU by number such as cuda:0"):
        make_experiment(device=name)


def test_a_gpu_that_is_not_there_is_told_before_data_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for, what there is, and what would be right."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=r"device: cuda was asked for, but PyTorch .* sees no GPU on this machine; write device: cpu"):
        train(make_experiment(device="cuda"), tmp_path / "training")
    assert not (tmp_path / "training").exists()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="device: cuda:2 was asked for, but this machine has 2 GPUs, cuda:0 to cuda:1"):
        device_of("cuda:2", Ranks())


def test_processes_of_a_machine_share_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets one of its own, as long as there are enough."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    places = [device_of("cuda", Ranks(rank=4 + place, count=8, place=place)).index for place in range(4)]
    assert places == [0, 1, 0, 1]
    assert device_of("cuda:1", Ranks(rank=4, count=8, place=0)).index == 1
