from __future__ import annotations

import pytest
import torch
from torch import nn

from dmg_core.learning.averaging import MovingAverage, borrowed_weights


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
