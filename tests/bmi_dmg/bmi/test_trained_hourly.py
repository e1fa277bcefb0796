"""Tests of a multi-timescale model that was trained here, behind the BMI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import yaml

from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core.learning.data.hourly_material import make_hourly_material
from dmg_core.learning.loop.train import train
from dmg_core.multi_timescale import Coupling, MultiTimescaleEngine, load_multi_timescale_model
from tests.dmg_core.learning.hourly_synthetic import make_data, make_hourly_experiment

#: Specific humidity, radiation (2), pressure and wind (2) of all hours.
STILL = (0.004, 300.0, 150.0, 95000.0, 2.0, 1.0)


def test_the_trained_folder_is_stepped_as_it_was_trained(tmp_path: Path) -> None:
    """Through the BMI, hour by hour, the trained folder gives the engine's batch bitwise, and the trainer's window to rounding."""
    wet = {"reader": "synthetic_hourly", "file": "made", "rain": 8.0}
    experiment = make_hourly_experiment(epochs=1, hourly={"routing": False}, data=wet)
    folder = train(experiment, tmp_path / "training")
    data, hours = make_data(rain=8.0), 24 * 4 + 48
    attributes = {name: float(data.attributes[0, column]) for column, name in enumerate(data.attribute_names)}
    attributes |= {"lengthkm": 3.0, "uparea": float(data.upstream_area[0])}
    config = {
        "catchment_id": "cat-1",
        "model_dir": str(folder),
        "time_step": "1 hour",
        "start_time": "2010-01-01 00:00:00",
        "warmup": {"cycle_days": 2},
        **attributes,
    }
    (tmp_path / "cat-1.yml").write_text(yaml.safe_dump(config))
    stepped = BmiDeltaModel()
    stepped.initialize(str(tmp_path / "cat-1.yml"))
    weather, flow = data.forcing[:hours, 0], np.empty(hours)
    for hour in range(hours):
        for variable, value in zip(PENMAN_MONTEITH_INPUTS, (*weather[hour, :2], *STILL), strict=True):
            stepped.set_value(variable.name, np.array([value]))
        stepped.update()
        weather[hour] = stepped.stepper.weather.hour  # with the evapotranspiration that it has computed
        stepped.get_value(RUNOFF_DEPTH, flow[hour : hour + 1])

    engine = MultiTimescaleEngine.of_folder(folder, Coupling(cycle_days=2))
    engine.add({name: np.array([value]) for name, value in attributes.items()})
    batch = engine.run(np.ascontiguousarray(weather[:, None]))["streamflow"][:, 0]
    with torch.no_grad():
        window, _ = make_hourly_material(data, experiment).run(load_multi_timescale_model(folder), 24 * 3, np.array([0]))
    assert np.array_equal(flow, 1e-3 * batch)
    assert batch[24 * 4 :].max() > 0.01
    np.testing.assert_allclose(24.0 * batch[24 * 4 :], window[:, 0].double().numpy(), rtol=2e-4, atol=1e-6)
