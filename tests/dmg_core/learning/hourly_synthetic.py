"""Small hourly data with units and gauges, and experiments with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmg_core.data.hourly import HOURLY_READERS, HourlyData
from dmg_core.data.hourly.places import Places
from dmg_core.data.hourly.readers import put_together
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import experiment_of
from dmg_core.routing import Membership, UnitNetwork
from tests.dmg_core.factories import make_weather
from tests.dmg_core.multi_timescale.factories import ATTRIBUTES, ROUTING_ATTRIBUTES, make_attributes

START = np.datetime64("2010-01-01T00")
DAYS = 40
#: Lengths of windows that take no time.
SHORT = {"days": 3, "warm_up": 24, "hours": 48}
#: Units above gauges: the first gauge lies above the second, the third stands alone.
NETWORK = {"u1": "u2", "u2": "u3", "u3": None, "u4": None}
GAUGES = {"g1": "u2", "g2": "u3", "g3": "u4"}


def make_places(*, lumped: bool) -> Places:
    """Three basins of one unit each, or three gauges in a network of four units."""
    if lumped:
        return Places.lumped({"01": 20.0, "02": 7.0, "03": 11.0})
    network = UnitNetwork.of(list(NETWORK), [12.0, 5.0, 9.0, 4.0], list(NETWORK.values()))
    return Places(Membership.from_network(network, GAUGES), network)


def make_data(*, lumped: bool = True, days: int = DAYS, seed: int = 0, daily_only: tuple[int, ...] = (), rain: float = 1.0) -> HourlyData:
    """Hourly weather and flow that nothing has made; of some gauges only means of days are known."""
    places = make_places(lumped=lumped)
    units, gauges = len(places.membership.units), len(places.membership.gauges)
    hours, rng = 24 * days, np.random.default_rng(seed)
    weather = make_weather(hours, units, seed) * (rain / 4.0, 1.0, 1.0 / 24.0)  # cloudbursts, which the soil cannot take in
    table = make_attributes(units, seed)
    names = tuple(dict.fromkeys([*ATTRIBUTES, *ROUTING_ATTRIBUTES]))
    flow = rng.gamma(1.0, 2.0, (hours, gauges))
    flow[rng.random(flow.shape) < 0.1] = np.nan
    data = put_together(
        places,
        START + np.arange(hours),
        weather,
        (np.stack([table[name] for name in names], axis=1), names),
        table["meanelevation"],
        ATTRIBUTES,
        ROUTING_ATTRIBUTES,
        observed=(),
        flow=flow,
    )
    for gauge in daily_only:
        data.daily_flow[:, gauge] = np.nanmean(flow[:, gauge].reshape(days, 24), axis=1)
        data.flow[:, gauge] = np.nan
    return data


@HOURLY_READERS.register("synthetic_hourly")
def read_synthetic_hourly(
    file: Path,
    attributes_file: Path | None,
    ids: Sequence[str] | None,
    attributes: Sequence[str],
    path_attributes: Sequence[str],
    *,
    lumped: bool = True,
    daily_only: Sequence[int] = (),
    rain: float = 1.0,
) -> HourlyData:
    """Reader that makes what it reads."""
    return make_data(lumped=lumped, daily_only=tuple(daily_only), rain=rain)


def make_hourly_document(hourly: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Keys and values of an hourly experiment; ``hourly`` and ``model`` are merged, ``changes`` replace whole sections."""
    half = {"routing_attributes": list(ROUTING_ATTRIBUTES), "routing_hidden_size": 5, **SHORT, **(hourly or {})}
    return {
        "plugins": ["tests.dmg_core.learning.hourly_synthetic"],
        "data": {"reader": "synthetic_hourly", "file": "made"},
        "attributes": list(ATTRIBUTES),
        "split": {"train": ["2010-01-06", "2010-01-25"], "validation": ["2010-01-26", "2010-02-09"]},
        "model": {
            "physics": "Hbv_2",
            "hidden_size": 4,
            "mlp_hidden_size": 5,
            "nmul": 2,
            "dynamic": ["parBETA"],
            **(model or {}),
            "hourly": half,
        },
        "sampler": {"name": "windows", "gauges": 2},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "epochs": 2,
        "iterations_per_epoch": 2,
        **changes,
    }


def make_hourly_experiment(hourly: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **changes: Any) -> Experiment:
    """Experiment of :func:`make_hourly_document`."""
    return experiment_of(make_hourly_document(hourly, model, **changes), "made.yaml")
