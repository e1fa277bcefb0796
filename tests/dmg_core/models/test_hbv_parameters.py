"""Tests of the parameter tables of the HBV family."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dmg_core.errors import ConfigError
from dmg_core.models import PROCESS_MODELS, Parameter, ProcessModel
from dmg_core.models.hbv import Hbv, Hbv20, Hbv20Hourly
from tests.dmg_core.factories import FAMILY
from tests.dmg_core.reference import read_arrays

#: Members of the family and the order of their network's outputs.
TABLES = {
    "Hbv": "BETA FC K0 K1 K2 LP PERC UZL TT CFMAX CFR CWH",
    "Hbv_1_1p": "BETA FC K0 K1 K2 LP PERC UZL TT CFMAX CFR CWH BETAET C",
    "Hbv_2": "BETA FC K0 K1 K2 LP PERC UZL TT CFMAX CFR CWH BETAET C RT AC",
    "Hbv_2_hourly": "BETA FC K0 K1 K2 LP PERC UZL TT CFMAX CFR CWH BETAET C RT AC F0 FMIN ALPHA",
    "Hbv_2_1_hourly": "BETA FC K0 K1 K2 LP PERC UZL TT CFMAX CFR CWH BETAET C RT AC F0 ALPHA KS",
}


@pytest.mark.parametrize("physics", FAMILY)
def test_table_is_in_the_order_of_the_networks_outputs(physics: str) -> None:
    """Every member of the family has its parameters in the published order."""
    assert " ".join(parameter.symbol for parameter in PROCESS_MODELS[physics].parameters_for(())) == TABLES[physics]


@pytest.mark.parametrize("physics", FAMILY)
def test_ranges_are_the_published_ones(physics: str, parity: Path) -> None:
    """Ranges of the parameters and of the unit hydrograph equal those of the public implementation."""
    arrays = read_arrays(parity / "physics" / f"{physics}_f64.npz")
    model = PROCESS_MODELS[physics]
    dynamic = [name for name in arrays["in_dyn"].tolist() if name == "parBETAET"]
    bounds = {parameter.name: [parameter.low, parameter.high] for parameter in model.parameters_for(dynamic)}
    assert bounds == json.loads(str(arrays["in_bounds"]))
    routes = {parameter.name: [parameter.low, parameter.high] for parameter in (model.route_a, model.route_b)}
    assert routes == json.loads(str(arrays["in_route_bounds"]))


def test_time_steps_and_hydrograph_lengths() -> None:
    """Daily models route over 15 days, the hourly ones over 72 hours."""
    lengths = {name: (PROCESS_MODELS[name].steps_per_day, PROCESS_MODELS[name].hydrograph_steps) for name in FAMILY}
    assert lengths == {"Hbv": (1, 15), "Hbv_1_1p": (1, 15), "Hbv_2": (1, 15), "Hbv_2_hourly": (24, 72), "Hbv_2_1_hourly": (24, 72)}


@pytest.mark.parametrize("kind", [float, np.array, torch.tensor])
def test_scale_turns_fractions_into_physical_values(kind: type) -> None:
    """Numbers, arrays and tensors in [0, 1] become values of the same kind between the ends of the range."""
    parameter = Parameter("parTT", -2.5, 2.5, "degC", "threshold")
    scaled = [parameter.scale(kind(fraction)) for fraction in (0.0, 0.3, 1.0)]
    assert [float(value) for value in scaled] == [-2.5, pytest.approx(-1.0), 2.5]
    assert all(isinstance(value, type(kind(0.5) * 1.0)) for value in scaled)


def test_symbol_is_the_letter_of_the_equations() -> None:
    """The symbol is δMG's name without its ``par``; names without it stay."""
    assert Parameter("parBETA", 1.0, 6.0, "1", "shape").symbol == "BETA"
    assert Hbv20.route_a.symbol == "route_a"


@pytest.mark.parametrize("dynamic", [("parBETA", "parK0", "parBETAET"), ("parBETAET", "parK0", "parBETA")])
def test_split_is_in_table_order(dynamic: tuple[str, ...]) -> None:
    """Dynamic and static parameters both come in table order, whatever order the dynamic ones are given in."""
    varying, constant = Hbv20.split(dynamic)
    assert [parameter.symbol for parameter in varying] == ["BETA", "K0", "BETAET"]
    assert " ".join(parameter.symbol for parameter in constant) == "FC K1 K2 LP PERC UZL TT CFMAX CFR CWH C RT AC"


def test_split_takes_an_iterator() -> None:
    """The names may be given by a generator, which can be read only once."""
    varying, _ = Hbv.split(name for name in ("parBETAET", "parFC"))
    assert [parameter.symbol for parameter in varying] == ["FC", "BETAET"]


def test_betaet_of_hbv_10_exists_only_when_it_is_dynamic() -> None:
    """HBV 1.0 has 12 parameters, and parBETAET as a 13th only where it varies in time."""
    assert Hbv.split(("parBETA",)) == (Hbv.parameters[:1], Hbv.parameters[1:12])
    varying, constant = Hbv.split(("parBETAET",))
    assert [parameter.symbol for parameter in varying] == ["BETAET"]
    assert constant == Hbv.parameters[:12]


@pytest.mark.parametrize(("model", "name"), [(Hbv, "parC"), (Hbv20, "parF0"), (Hbv20Hourly, "BETA"), (Hbv20, "route_a")])
def test_unknown_dynamic_parameter(model: type[ProcessModel], name: str) -> None:
    """A name the member does not have is an error that names the member, the name and those there are."""
    with pytest.raises(ConfigError, match=f"{model.name}: dynamic parameter '{name}' is not one of parBETA, .*parCWH"):
        model.split(("parK0", name))


def test_dynamic_parameter_listed_twice() -> None:
    """A dynamic parameter listed twice is an error that names it."""
    with pytest.raises(ConfigError, match="'parK0' is listed twice"):
        Hbv20.split(("parK0", "parBETA", "parK0"))
