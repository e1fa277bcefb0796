"""Leaf photosynthesis against reference values, at its limits, and its gradients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import jacobian, step_arrays
from dmg_core.models.photosynthesis import (
    FREEZING,
    LARGEST_CI,
    Photosynthesis,
    capacities_c3,
    capacities_c4,
    electron_transport,
    enzyme_at,
    gross_c3,
    medlyn,
    saturated_potential,
    water_stress,
)

FLUXES = [flux.name for flux in Photosynthesis.fluxes]

#: A leaf in the light, on wet soil; B has no part in it.
LEAF = {
    "leaf_temperature": 25.0,
    "air_temperature": 25.0,
    "pressure": 101325.0,
    "par": 1000.0,
    "co2": 390.0,
    "vpd": 1.2,
    "boundary_conductance": 2.0,
    "lai": 1.0,
    **{f"wetness_{n}": 1.0 for n in range(1, 6)},
    "c4": 0.0,
    "g1": 4.45,
    "psi_open": -74000.0,
    "psi_closed": -275000.0,
    "psi_saturated": -200.0,
    **{f"roots_{n}": 0.2 for n in range(1, 6)},
    "Vcmax25": 60.0,
    **{f"B{n}": 6.0 for n in range(1, 6)},
}


def arrays_of(leaves: list[dict[str, float]]) -> tuple[Any, ...]:
    """Stores, parameters, forcing and site of leaves that differ from :data:`LEAF` as said."""
    model = Photosynthesis()
    site = [*(each.name for each in model.attributes if each.name in LEAF), "psi_saturated"]
    rows = [{**LEAF, **leaf} for leaf in leaves]
    parameters = np.array([[[row[each.symbol] for each in model.parameters]] for row in rows])
    forcing = np.array([[row[each.name] for each in model.forcings] for row in rows])
    return np.zeros((len(rows), 1, 0)), parameters, forcing, np.array([[row[name] for name in site] for row in rows])


def compiled(*leaves: dict[str, float]) -> dict[str, Any]:
    """Fluxes of leaves, by compiled code."""
    return dict(zip(FLUXES, step_arrays(Photosynthesis(), *arrays_of(list(leaves))).fluxes[:, 0].T, strict=True))


def by_torch(**leaf: Any) -> dict[str, Any]:
    """Fluxes of a leaf, by torch."""
    names = SimpleNamespace(**{name: torch.as_tensor(value, dtype=torch.float64) for name, value in {**LEAF, **leaf}.items()})
    return dict(Photosynthesis().step(SimpleNamespace(), names, names, 1.0)[1])


#: Changed conditions -> CO2 in the leaf (Pa), assimilation, conductance (mol) and respiration, computed by others.
REFERENCE = {
    "C3 25": ({}, (32.40134, 14.56141, 0.33177, 0.9)),
    "C3 35": ({"leaf_temperature": 35.0, "air_temperature": 33.0}, (32.38032, 8.81354, 0.20022, 0.8933)),
    "C3 12": ({"leaf_temperature": 12.0, "air_temperature": 10.0}, (32.37234, 9.73126, 0.22082, 0.4401)),
    "C3 dry": ({"roots_1": 0.0, "roots_2": 0.0, "roots_3": 0.1}, (32.18568, 7.12561, 0.15758, 0.9)),
    "C4 30": ({"c4": 1.0, "leaf_temperature": 30.0, "air_temperature": 30.0}, (33.32633, 47.78182, 1.25135, 2.12132)),
}


@pytest.mark.parametrize("case", REFERENCE)
@pytest.mark.parametrize("form", ["compiled", "torch"])
def test_reference_values_are_met(case: str, form: str) -> None:
    """CO2 in the leaf, assimilation, conductance and respiration of the published constants, to the last digit that is known."""
    changes, expected = REFERENCE[case]
    fluxes = {name: float(values[0]) for name, values in compiled(changes).items()} if form == "compiled" else by_torch(**changes)
    found = [float(fluxes[name]) for name in ("internal_co2", "net_assimilation", "stomatal_conductance", "respiration")]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-6 if case != "C3 35" and case != "C3 12" else 5e-5)


@pytest.mark.parametrize(
    ("degrees", "btran", "Vc", "Jmax", "Je", "enzyme"),
    [
        (25.0, 1.0, 60.0, 100.2, 92.48326, (41.02649, 28208.88, 4.33164)),
        (35.0, 1.0, 78.16271, 93.33938, 86.67742, (116.05067, 45416.85, 7.10768)),
        (12.0, 1.0, 20.61008, 51.92023, 49.92650, (9.52038, 14448.33, 2.16025)),
        (25.0, 0.5, 30.0, 100.2, 92.48326, (41.02649, 28208.88, 4.33164)),
    ],
)
def test_capacities_follow_temperature(
    degrees: float, btran: float, Vc: float, Jmax: float, Je: float, enzyme: tuple[float, float, float]
) -> None:
    """Capacities, electron transport and Rubisco's constants at three temperatures, and under water stress."""
    T = torch.tensor(degrees + FREEZING, dtype=torch.float64)
    found = capacities_c3(60.0, T, btran)
    np.testing.assert_allclose([float(found.Vc), float(found.Jmax)], [Vc, Jmax], rtol=1e-6)
    np.testing.assert_allclose(float(electron_transport(1000.0, found.Jmax)), Je, rtol=1e-6)
    np.testing.assert_allclose([float(each) for each in enzyme_at(T, 101325.0)], enzyme, rtol=2e-6)


def test_capacity_of_a_c4_leaf() -> None:
    """At 30 °C."""
    T = torch.tensor(30.0 + FREEZING, dtype=torch.float64)
    np.testing.assert_allclose(float(capacities_c4(60.0, T, 1.0).Vc), 76.99523, rtol=1e-6)


def test_assimilation_and_conductance_of_given_internal_co2() -> None:
    """The sixth reference: at 27 Pa, without a balance of supply and demand."""
    T, P = torch.tensor(25.0 + FREEZING, dtype=torch.float64), torch.tensor(101325.0, dtype=torch.float64)
    capacities, enzyme = capacities_c3(60.0, T, 1.0), enzyme_at(T, P)
    A = gross_c3(27.0 * P / P, capacities.Vc, electron_transport(1000.0, capacities.Jmax), enzyme, P) - capacities.Rd
    gs = medlyn(A, 1.0 / 390e-6, 10000.0, 4.45, 2e6, torch.tensor(1.2, dtype=torch.float64))
    np.testing.assert_allclose([float(A), 1e-6 * float(gs)], [12.69479, 0.28839], rtol=1e-5)


def test_at_night_a_leaf_respires() -> None:
    """Without light, or above all temperatures that enzymes stand, respiration is all that is left, through closed stomata."""
    for c4, share in ((0.0, 0.7), (1.0, 0.4)):
        found = compiled({"par": 0.0, "c4": c4})
        np.testing.assert_array_equal(found["net_assimilation"], -found["respiration"])
        np.testing.assert_allclose(found["stomatal_conductance"], 0.04 if c4 else 0.01, rtol=1e-12)
        np.testing.assert_allclose(found["internal_co2"], share * 390e-6 * 101325.0, rtol=1e-12)


def test_a_leaf_below_its_compensation_point_keeps_stomata_closed() -> None:
    """In dim light or thin CO2 more is respired than assimilated."""
    found = compiled({"par": 5.0}, {"co2": 40.0})
    assert (found["net_assimilation"] < 0.0).all()
    assert (found["net_assimilation"] > -found["respiration"] - 1e-12).all()
    np.testing.assert_allclose(found["stomatal_conductance"], 0.01, rtol=1e-12)


def test_without_leaves_nothing_is_assimilated() -> None:
    """Neither assimilation nor respiration."""
    found = compiled({"lai": 0.0})
    assert found["net_assimilation"] == found["respiration"] == 0.0


def test_a_dry_soil_stops_assimilation_and_a_wet_one_does_not_limit_it() -> None:
    """The stress goes from 1 to 0; respiration is not reduced by it."""
    wet, dry = compiled({}, {f"wetness_{n}": 0.01 for n in range(1, 6)})["water_stress"]
    assert (wet, dry) == (1.0, 0.0)
    found = compiled({f"wetness_{n}": 0.01 for n in range(1, 6)})
    np.testing.assert_allclose(found["net_assimilation"], -0.9, rtol=1e-12)


def test_a_large_boundary_conductance_leaves_medlyns_equation() -> None:
    """As the boundary layer vanishes, ``gs = g0 + 1.6 (1 + g1 / √D) A P / Cs``."""
    found = compiled({"boundary_conductance": 1e9})
    expected = 0.01 + 1.6 * (1.0 + 4.45 / np.sqrt(1.2)) * found["net_assimilation"] / 390.0
    np.testing.assert_allclose(found["stomatal_conductance"], expected, rtol=1e-7)


def test_supply_meets_demand_whatever_the_weather() -> None:
    """Wherever a leaf assimilates, ``Ci = Cs - 1.6 A P / gs``, and more CO2 in the air is more assimilation."""
    rng = np.random.default_rng(0)
    leaves = [random_leaf(rng) for _ in range(500)]
    found, richer = compiled(*leaves), compiled(*({**leaf, "co2": 1.01 * leaf["co2"]} for leaf in leaves))
    Cs, P = (np.array([leaf[name] for leaf in leaves]) for name in ("co2", "pressure"))
    gaining = found["net_assimilation"] > 0.0
    assert gaining.sum() > 300
    demand = 1e-6 * Cs * P - 1.6e-6 * found["net_assimilation"] * P / found["stomatal_conductance"]
    np.testing.assert_allclose(found["internal_co2"][gaining], demand[gaining], rtol=1e-9)
    assert (richer["net_assimilation"][gaining] >= found["net_assimilation"][gaining] - 1e-9).all()
    assert (found["internal_co2"] < LARGEST_CI).all()


def test_the_lower_limit_is_followed() -> None:
    """In thin air carboxylation limits, in rich air light; the corner between them is rounded by a little."""
    found = compiled({"co2": 150.0}, {"co2": 1500.0})
    carboxylation, light, A = (found[name] for name in ("carboxylation_limited", "light_limited", "net_assimilation"))
    assert carboxylation[0] < light[0]
    assert light[1] < carboxylation[1]
    lower = np.minimum(carboxylation, light)
    assert (lower > A).all()
    np.testing.assert_allclose(A, lower, rtol=0.01)


def random_leaf(rng: np.random.Generator) -> dict[str, float]:
    """A leaf in weather, of a kind and on a soil of its own."""
    ranges = {
        "leaf_temperature": (2.0, 42.0),
        "air_temperature": (2.0, 40.0),
        "pressure": (7e4, 1.03e5),
        "par": (0.0, 2000.0),
        "co2": (100.0, 1500.0),
        "vpd": (0.1, 4.0),
        "boundary_conductance": (0.3, 5.0),
        "g1": (1.0, 8.0),
        "Vcmax25": (10.0, 150.0),
        **{f"wetness_{n}": (0.2, 1.0) for n in range(1, 6)},
        **{f"B{n}": (3.0, 10.0) for n in range(1, 6)},
    }
    return {**{name: rng.uniform(*bounds) for name, bounds in ranges.items()}, "c4": float(rng.random() < 0.3)}


def test_compiled_values_and_slopes_are_those_of_torch() -> None:
    """Every flux and its slopes by all parameters, over random leaves, agree between both forms."""
    rng = np.random.default_rng(1)
    leaves = [random_leaf(rng) for _ in range(200)]
    arguments = arrays_of(leaves)
    slopes = jacobian(Photosynthesis(), *arguments, fluxes=FLUXES).by_parameters[:, 0]
    columns = {name: torch.tensor([{**LEAF, **leaf}[name] for leaf in leaves], dtype=torch.float64) for name in LEAF}
    for each in Photosynthesis.parameters:
        columns[each.symbol].requires_grad_()
    fluxes = by_torch(**columns)
    for row, (name, values) in enumerate(compiled(*leaves).items()):
        np.testing.assert_allclose(values, fluxes[name].detach().numpy(), rtol=1e-9, atol=1e-11, err_msg=name)
        given = [columns[each.symbol] for each in Photosynthesis.parameters]
        found = torch.autograd.grad(fluxes[name].sum(), given, retain_graph=True, allow_unused=True, materialize_grads=True)
        np.testing.assert_allclose(slopes[:, row], torch.stack(found, -1).numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


def test_slopes_are_difference_quotients() -> None:
    """By the capacity and by all exponents of the soil, where no rate or bound changes over within the difference."""
    rng = np.random.default_rng(2)
    leaves = [random_leaf(rng) for _ in range(200)]
    stores, parameters, forcing, site = arrays_of(leaves)
    model = Photosynthesis()
    slopes = jacobian(model, stores, parameters, forcing, site, fluxes=FLUXES).by_parameters[:, 0, 0]
    for place, one in enumerate(model.parameters):
        aside = np.zeros(len(model.parameters))
        aside[place] = 1e-6 * (one.high - one.low)
        up, down, here = (step_arrays(model, stores, parameters + sign * aside, forcing, site).fluxes[:, 0, 0] for sign in (1.0, -1.0, 0.0))
        smooth = np.abs((up - here) - (here - down)) < 1e-5 * np.abs(up - down) + 1e-9
        assert smooth.mean() > 0.9
        quotient = (up - down) / (2.0 * aside[place])
        np.testing.assert_allclose(slopes[smooth, place], quotient[smooth], rtol=2e-5, atol=2e-5)


def test_slopes_are_finite_where_the_bracket_clamps() -> None:
    """CO2 in the leaf of 1000 Pa, the bound of what is looked for: slopes are those of a fixed CO2, in both forms."""
    rich = {"co2": 12000.0}
    assert compiled(rich)["internal_co2"] == LARGEST_CI
    slopes = jacobian(Photosynthesis(), *arrays_of([rich]), fluxes=FLUXES).by_parameters[0, 0]
    capacity = torch.tensor(60.0, dtype=torch.float64, requires_grad=True)
    fluxes = by_torch(Vcmax25=capacity, **rich)
    expected = torch.autograd.grad(fluxes["net_assimilation"], capacity)[0]
    np.testing.assert_allclose(slopes[0, 0], float(expected), rtol=1e-10)
    assert slopes[FLUXES.index("internal_co2"), 0] == 0.0
    assert np.isfinite(slopes).all()


def test_soils_at_saturation() -> None:
    """A mineral soil of 50 % sand has the potential that Cosby et al. regress, peat that of Lawrence and Slater."""
    found = saturated_potential(torch.tensor([50.0, 50.0]), torch.tensor([0.0, 100.0]))
    np.testing.assert_allclose(found.numpy(), [-10.0 * 10.0 ** (1.88 - 0.655), -10.3], rtol=1e-6)


def test_stress_by_hand() -> None:
    """One layer with all roots, half way between open and closed."""
    half = -(74000.0 + 275000.0) / 2.0
    names = SimpleNamespace(**{**LEAF, "psi_saturated": torch.tensor(half), **{f"wetness_{n}": torch.tensor(1.0) for n in range(1, 6)}})
    names = SimpleNamespace(**{name: torch.as_tensor(value) for name, value in vars(names).items()})
    np.testing.assert_allclose(float(water_stress(names, names)), 0.5, rtol=1e-6)
