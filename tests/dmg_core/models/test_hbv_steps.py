"""Tests of the steps of the HBV family: single steps by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmg_core.physics import Physics, PhysicsState
from tests.dmg_core.factories import make_hbv


def one_store(hbv: Physics, values: tuple[float, ...]) -> PhysicsState:
    """State of one catchment with one component and no water in transit."""
    return hbv.initial_state(1, torch.empty(0, dtype=torch.float64))._replace(stores=torch.tensor([[values]], dtype=torch.float64))


#: Parameters of the steps by hand, chosen for round numbers.
BY_HAND = {
    "parBETA": 2.0,
    "parFC": 200.0,
    "parK0": 0.5,
    "parK1": 0.1,
    "parK2": 0.05,
    "parLP": 0.8,
    "parPERC": 2.0,
    "parUZL": 10.0,
    "parTT": 0.0,
    "parCFMAX": 3.0,
    "parCFR": 0.05,
    "parCWH": 0.1,
    "parBETAET": 1.0,
    "parC": 0.2,
    "parRT": 5.0,
    "parAC": 500.0,
    "parF0": 480.0,
    "parFMIN": 0.5,
    "parALPHA": 1.0,
    "parKS": 3.0,
}


def step_by_hand(
    physics: str, day: tuple[float, float, float], stores: tuple[float, ...], area: float = 0.0
) -> tuple[dict[str, float], list[float]]:
    """One step of one component with the parameters of :data:`BY_HAND`: outputs, and the stores after it."""
    hbv = make_hbv(physics, nmul=1, routing=False)
    fractions = [(BY_HAND[parameter.name] - parameter.low) / (parameter.high - parameter.low) for parameter in hbv.static_parameters]
    static = torch.tensor(fractions, dtype=torch.float64)[None]
    forcing = torch.tensor([[day]], dtype=torch.float64)
    state = one_store(hbv, stores)
    dynamic = torch.empty(1, 1, 0, dtype=torch.float64)
    outputs, after = hbv(forcing, (dynamic, static), upstream_area=torch.tensor([area], dtype=torch.float64), state=state)
    return {name: series.item() for name, series in outputs.items()}, after.stores[0, 0].tolist()


def test_a_warm_day_by_hand() -> None:
    """One day of HBV 1.0 with rain on a melting snowpack equals the arithmetic of the published equations.

    P = 8 mm, T = 2 °C, PET = 4 mm; SP = 20, MW = 3, SM = 100, SUZ = 15, SLZ = 40 mm.

    Snow: 3 · 2 = 6 mm melt, SP 14, MW 9, of which 0.1 · 14 = 1.4 stay and 7.6 leave. Soil: 8 + 7.6 = 15.6 mm come in, a share of
    (100 / 200)² = 0.25 goes on: 3.9 mm recharge, SM 111.7. Evapotranspiration: 111.7 / (0.8 · 200) = 0.698125 of 4 mm: 2.7925, SM 108.9075.
    Upper zone: 15 + 3.9 - 2 = 16.9; 0.5 · (16.9 - 10) = 3.45 near the surface; 0.1 · 13.45 = 1.345 interflow; 12.105 stay.
    Lower zone: 40 + 2 = 42; 0.05 · 42 = 2.1 baseflow; 39.9 stay.
    """
    outputs, stores = step_by_hand("Hbv", (8.0, 2.0, 4.0), (20.0, 3.0, 100.0, 15.0, 40.0))
    assert stores == pytest.approx([14.0, 1.4, 108.9075, 12.105, 39.9], rel=1e-12)
    fluxes = {"snowpack_outflow": 7.6, "recharge": 3.9, "aet": 2.7925, "evaporation_factor": 0.698125, "percolation": 2.0}
    flows = {"surface_flow": 3.45, "interflow": 1.345, "baseflow": 2.1, "streamflow": 6.895, "pet": 4.0}
    assert {name: outputs[name] for name in fluxes | flows} == pytest.approx(fluxes | flows, rel=1e-12)


def test_a_cold_day_by_hand() -> None:
    """One day of HBV 1.0 with snowfall and refreezing equals the arithmetic of the published equations.

    P = 5 mm, T = -4 °C, PET = 1 mm on the stores of the warm day: 5 mm fall as snow, 0.05 · 3 · 4 = 0.6 mm freeze again, so that SP is 25.6
    and MW 2.4, less than the 2.56 mm the pack holds. Nothing enters the soil; 100 / 160 of 1 mm evaporates.
    """
    outputs, stores = step_by_hand("Hbv", (5.0, -4.0, 1.0), (20.0, 3.0, 100.0, 15.0, 40.0))
    assert stores == pytest.approx([25.6, 2.4, 99.375, 10.35, 39.9], rel=1e-12)
    assert outputs["snowpack_outflow"] == outputs["recharge"] == 0.0
    assert outputs["streamflow"] == pytest.approx(1.5 + 1.15 + 2.1, rel=1e-12)


def test_capillary_rise_and_regional_exchange_by_hand() -> None:
    """The warm day in HBV 2.0: 0.2 · 40 · (1 - 108.9075 / 200) rise into the soil, and 5 · (900 - 500) / 1000 = 2 mm are gained."""
    rise = 0.2 * 40.0 * (1.0 - 108.9075 / 200.0)
    lower = 40.0 - rise + 2.0 + 2.0
    outputs, stores = step_by_hand("Hbv_2", (8.0, 2.0, 4.0), (20.0, 3.0, 100.0, 15.0, 40.0), area=900.0)
    assert stores == pytest.approx([14.0, 1.4, 108.9075 + rise, 12.105, 0.95 * lower], rel=1e-12)
    assert outputs["capillary_rise"] == pytest.approx(rise, rel=1e-12)
    assert outputs["regional_exchange"] == pytest.approx(2.0, rel=1e-12)
    assert outputs["baseflow"] == pytest.approx(0.05 * lower, rel=1e-12)


@pytest.mark.parametrize(
    ("area", "share"), [(0.0, -0.5), (100.0, -0.4), (2499.0, 1.0), (2500.0, 1.0), (2550.0, np.exp(-1.0)), (9000.0, np.exp(-10.0))]
)
def test_regional_exchange_depends_on_area(area: float, share: float) -> None:
    """Small catchments lose up to parRT, larger ones gain up to it, and from 2500 km² on the gain fades."""
    outputs, _ = step_by_hand("Hbv_2", (0.0, 10.0, 0.0), (0.0, 0.0, 100.0, 15.0, 40.0), area)
    assert outputs["regional_exchange"] == pytest.approx(5.0 * share, rel=1e-12)


def test_regional_loss_is_no_more_than_there_is() -> None:
    """The exchange reported is the effective one: a lower zone cannot lose more than it holds above its least content."""
    outputs, stores = step_by_hand("Hbv_2", (0.0, 10.0, 0.0), (0.0, 0.0, 200.0, 0.0, 1.0), area=0.0)
    assert outputs["regional_exchange"] == pytest.approx(-(1.0 - 1e-5), rel=1e-12)
    assert stores[4] == pytest.approx(0.95e-5)


def test_infiltration_excess_by_hand() -> None:
    """One hour of 20 mm on soil at half its capacity: 240 + 240 · 0.5 mm/d = 15 mm/h enter, 5 mm run off, a quarter of 15 recharges."""
    outputs, stores = step_by_hand("Hbv_2_hourly", (20.0, 10.0, 0.0), (0.0, 0.0, 100.0, 0.0, 1e-5), area=500.0)
    assert outputs["infiltration_excess"] == pytest.approx(5.0, rel=1e-12)
    assert outputs["recharge"] == pytest.approx(3.75, rel=1e-12)
    assert stores[2] == pytest.approx(100.0 + 15.0 - 3.75, rel=1e-6)  # and the little that rises from the lower zone
    assert outputs["surface_flow"] == pytest.approx(5.0, rel=1e-12)


def test_infiltration_into_full_soil_by_hand() -> None:
    """Soil counts as at most 99 % wet: 240 + 240 · 0.01 mm/d = 10.1 mm/h still enter full soil, and 9.9 of 20 mm run off."""
    outputs, _ = step_by_hand("Hbv_2_hourly", (20.0, 10.0, 0.0), (0.0, 0.0, 200.0, 0.0, 1e-5), area=500.0)
    assert outputs["infiltration_excess"] == pytest.approx(9.9, rel=1e-12)
    assert outputs["recharge"] == pytest.approx(10.1, rel=1e-12)


def test_hourly_parameters_are_per_day() -> None:
    """In an hour a snowpack gives a 24th of what the same degree-day factor melts in a day."""
    _, stores = step_by_hand("Hbv_2_hourly", (0.0, 4.0, 0.0), (10.0, 0.0, 100.0, 0.0, 40.0), area=500.0)
    assert stores[0] == pytest.approx(10.0 - 3.0 * 4.0 / 24.0, rel=1e-12)


def test_hourly_stores_are_lifted_to_their_least_content() -> None:
    """Hourly models start each step from stores of at least ``nearzero``, and what that adds counts as created."""
    outputs, stores = step_by_hand("Hbv_2_hourly", (0.0, 10.0, 0.0), (-1.0, -2.0, 200.0, 0.0, 40.0), area=500.0)
    assert stores[:2] == [0.0, 0.0]
    assert outputs["leaked"] == pytest.approx(-3.0 - 1e-5, rel=1e-12)


def test_variable_infiltration_and_cascade_by_hand() -> None:
    """One hour of 10 mm on soil at half its capacity, where capacity rises evenly from 0 to 20 mm/h over the catchment.

    A quarter of the area is saturated: 2.5 mm recharge. Of the rest, half has a capacity below 10 mm/h; there 5 mm of the 10 run off on
    average: 0.75 · 0.5 · 5 = 1.875 mm, and 5.625 enter. Each store of the cascade gives 2 · 3 / 24 = 0.25 of what it holds: 6 + 1.875 =
    7.875 mm give 1.96875 to the second, of whose 4 + 1.96875 = 5.96875 mm 1.4921875 flow out.
    """
    outputs, stores = step_by_hand("Hbv_2_1_hourly", (10.0, 10.0, 0.0), (0.0, 0.0, 100.0, 0.0, 1e-5, 6.0, 4.0), area=500.0)
    assert outputs["recharge"] == pytest.approx(2.5, rel=1e-12)
    assert outputs["infiltration_excess"] == pytest.approx(1.875, rel=1e-12)
    assert outputs["surface_flow"] == pytest.approx(1.4921875, rel=1e-12)
    assert stores[2] == pytest.approx(100.0 + 5.625, rel=1e-6)  # and the little that rises from the lower zone
    assert stores[5:] == pytest.approx([5.90625, 4.4765625], rel=1e-12)
    assert (outputs["excess_store_1"], outputs["excess_store_2"]) == tuple(stores[5:])


def test_variable_infiltration_beyond_the_largest_capacity_by_hand() -> None:
    """30 mm in an hour exceed all capacities of 0 to 20 mm/h, of which 10 mm/h enter on average: 0.75 · 20 = 15 mm run off."""
    outputs, _ = step_by_hand("Hbv_2_1_hourly", (30.0, 10.0, 0.0), (0.0, 0.0, 100.0, 0.0, 1e-5, 0.0, 0.0), area=500.0)
    assert outputs["recharge"] == pytest.approx(7.5, rel=1e-12)
    assert outputs["infiltration_excess"] == pytest.approx(15.0, rel=1e-12)


@pytest.mark.parametrize("rain", [0.0, 1e-300, 1e-9])
def test_little_rain_does_not_run_off(rain: float) -> None:
    """Without rain, or next to none, there is no infiltration excess, and soil takes all that does not recharge."""
    outputs, _ = step_by_hand("Hbv_2_1_hourly", (rain, 10.0, 0.0), (0.0, 0.0, 100.0, 0.0, 1e-5, 0.0, 0.0), area=500.0)
    assert 0.0 <= outputs["infiltration_excess"] <= 1e-9 * rain
    assert outputs["recharge"] == pytest.approx(0.25 * rain, rel=1e-12)


def test_cascade_is_lifted_to_its_least_content() -> None:
    """The two stores of 2.1 start each step from at least ``nearzero``, and what that adds counts as created."""
    outputs, stores = step_by_hand("Hbv_2_1_hourly", (0.0, 10.0, 0.0), (0.0, 0.0, 200.0, 1e-5, 40.0, -1.0, 0.0), area=500.0)
    assert outputs["leaked"] == pytest.approx(-1.0 - 2e-5, rel=1e-12)
    assert stores[5:] == pytest.approx([0.75e-5, 0.75 * 1.25e-5], rel=1e-12)
