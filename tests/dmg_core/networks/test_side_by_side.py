"""Networks side by side: each reads its own attributes, and gives its own parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dmg_core.checkpoint import ModelSettings
from dmg_core.errors import ConfigError
from dmg_core.networks import NETWORKS
from dmg_core.networks.side_by_side import ParameterMlps, SideBySide, parts_of
from dmg_core.physics import Physics

ATTRIBUTES = ("type.a", "type.b", "clay", "unused")
PARTS = [{"parameters": ["parBETA", "parK*"], "attributes": ["type.*"]}, {"parameters": ["parFC"], "attributes": ["clay"]}]
PARAMETERS = ("parFC", "parK0", "parBETA", "parK1")


def network() -> ParameterMlps:
    """Two networks for four parameters of two components."""
    torch.manual_seed(0)
    return ParameterMlps(SideBySide(parts_of(PARTS, ATTRIBUTES, PARAMETERS), ATTRIBUTES, PARAMETERS, nmul=2, hidden=16))


def test_each_parameter_follows_from_its_own_attributes_alone() -> None:
    """Of every output, gradients by all attributes: only those of its part are not zero, in the order of the parameters."""
    made = network()
    attributes = torch.randn(5, 4, requires_grad=True)
    outputs = made.static(attributes, None, None)  # type: ignore[arg-type]  # there are no columns to choose
    assert outputs.shape == (5, 8)
    for place, name in enumerate(name for name in PARAMETERS for _ in range(2)):
        (slopes,) = torch.autograd.grad(outputs[:, place].sum(), attributes, retain_graph=True)
        reads = slopes.abs().sum(0) > 0.0
        assert reads.tolist() == ([False, False, True, False] if name == "parFC" else [True, True, False, False])


def test_attributes_that_never_vary_have_no_say() -> None:
    """Their weights are set to zero."""
    made = network()
    made.take_no_notice(torch.zeros(3, dtype=torch.bool), torch.tensor([False, True, False, False]))
    one, other = (torch.tensor([[0.3, b, 0.1, 0.0]]) for b in (-1.0, 5.0))
    torch.testing.assert_close(made.static(one, None, None), made.static(other, None, None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], r"parts is \[\], expected a list of \{parameters"),
        ([{"parameters": ["parFC"]}], "parts, 1: .* expected {parameters"),
        ([{"parameters": "parFC", "attributes": ["clay"]}], "parts, 1: .* expected {parameters"),
        ([{"parameters": ["parFC"], "attributes": ["clai"]}], "parts, 1: attributes: 'clai' is none of type.a, type.b, clay, unused"),
        ([{"parameters": ["parX*"], "attributes": ["clay"]}], r"parts, 1: parameters: 'parX\*' is none of parFC"),
        (PARTS[:1], "parFC is given by none of the networks, expected one"),
        ([*PARTS, PARTS[1]], "parFC is given by 2 of the networks, expected one"),
    ],
)
def test_parts_that_make_no_sense_are_refused(parts: Any, message: str) -> None:
    """Names, and parameters that no network or two give, are told."""
    with pytest.raises(ConfigError, match=message):
        parts_of(parts, ATTRIBUTES, PARAMETERS)


@pytest.mark.parametrize("changes", [{"dynamic": ("parTT",)}, {"routing": True}])
def test_what_varies_in_time_is_refused(changes: dict[str, Any]) -> None:
    """There is nothing to step, and no parameters of a unit hydrograph."""
    sizes = {"nmul": 1, "nearzero": 1e-5, "attributes": ATTRIBUTES, "log_norm": (), "hidden_size": 4, "mlp_hidden_size": None}
    settings = ModelSettings(
        **{
            "physics": "Hbv_1_1p",
            "network": "ParameterMlps",
            "routing": False,
            "dynamic": (),
            "forcings": ("P", "T", "PET"),
            **sizes,
            **changes,
        }
    )
    physics = Physics("Hbv_1_1p", 1, settings.dynamic, settings.routing)
    with pytest.raises(ConfigError, match="no parameters that vary in time and none of the routing"):
        NETWORKS.make("ParameterMlps", settings, physics, 0.0, options={"parts": PARTS})
    with pytest.raises(ConfigError, match="network: ParameterMlps needs parts"):
        NETWORKS.make("ParameterMlps", settings, physics, 0.0, options={})
