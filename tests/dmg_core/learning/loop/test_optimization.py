from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from dmg_core.learning.loop.optimization import OPTIMIZERS, SCHEDULERS, MovingAverage, borrowed_weights

EPOCHS, ITERATIONS = 4, 5


def rates(name: str, **options: Any) -> list[float]:
    """Learning rate of every iteration, from a base of 2."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = OPTIMIZERS["adam"]([parameter], learning_rate=2.0)
    scheduler = SCHEDULERS[name](optimizer, EPOCHS, ITERATIONS, **options)
    found = []
    for _ in range(EPOCHS * ITERATIONS):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimizers_go_downhill(name: str) -> None:
    """Each of the optimisers lowers a parabola, with the learning rate it is given."""
    parameter = torch.nn.Parameter(torch.tensor([3.0]))
    optimizer = OPTIMIZERS[name]([parameter], learning_rate=0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5
    for _ in range(20):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    assert abs(parameter.item()) < 2.99


def test_no_schedule_leaves_the_rate() -> None:
    """Without a schedule the learning rate stays what it is."""
    assert set(rates("none")) == {2.0}


def test_cosine_rises_and_falls() -> None:
    """The cosine rises over its warm-up, is at its height then, and ends near its final share."""
    found = rates("cosine", warm_up=4, final=0.1)
    assert found[:5] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert all(a > b for a, b in pairwise(found[4:]))
    assert found[-1] == pytest.approx(0.2, abs=0.03)


def test_step_falls_after_epochs() -> None:
    """The step schedule multiplies after each so many epochs."""
    assert rates("step", every=2, factor=0.1) == pytest.approx([2.0] * 10 + [0.2] * 10)


def test_one_cycle_rises_and_falls() -> None:
    """One cycle starts low, reaches the learning rate after the share that rises, and ends near nothing."""
    found = rates("one_cycle", rise=0.3, start=0.1, final=0.01)
    assert found[0] == pytest.approx(0.2)
    assert max(found) == pytest.approx(2.0, rel=0.02)
    assert found.index(max(found)) in {5, 6}
    assert found[-1] < 0.1


def test_the_average_follows_the_weights() -> None:
    """Early on it follows closely; a constant is met exactly; the decay bounds it later."""
    network = nn.Linear(1, 1)
    average = MovingAverage(network, 0.9)
    start = network.weight.item()
    with torch.no_grad():
        network.weight.fill_(start + 1.0)
    average.update(network)
    assert average.weights["weight"].item() == pytest.approx(start + 1.0 - 2 / 11, abs=1e-6)
    for _ in range(1000):
        average.update(network)
    assert average.weights["weight"].item() == pytest.approx(start + 1.0, abs=1e-5)
    with torch.no_grad():
        network.weight.fill_(start + 2.0)
    average.update(network)
    assert average.weights["weight"].item() == pytest.approx(start + 1.1, abs=1e-4)


def test_it_goes_on_from_its_state() -> None:
    """An average made anew and given the state of another gives the same numbers after."""
    network = nn.Linear(2, 2)
    one = MovingAverage(network, 0.5)
    with torch.no_grad():
        network.weight.mul_(2.0)
    one.update(network)
    other = MovingAverage(nn.Linear(2, 2), 0.5)
    other.load_state_dict({"updates": one.updates, "weights": {name: weight.clone() for name, weight in one.weights.items()}})
    for average in (one, other):
        average.update(network)
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_borrowed_weights_are_given_back() -> None:
    """Within the block the network has the other weights, after it its own, also after an error."""
    network = nn.Linear(2, 1)
    own = network.weight.clone()
    weights = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}

    def fail() -> None:
        with borrowed_weights(network, weights):
            assert torch.equal(network.weight, torch.ones(1, 2))
            raise RuntimeError("an error within")

    with pytest.raises(RuntimeError, match="within"):
        fail()
    assert torch.equal(network.weight, own)
    with borrowed_weights(network, None):
        assert torch.equal(network.weight, own)
