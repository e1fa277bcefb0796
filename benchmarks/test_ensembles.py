"""Ensembles beside single models: an hour after the other through the BMI, weather taken in once for all members."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bmi_dmg import BmiDeltaModel
from bmi_dmg.demo.example_model import SETTINGS, write_example_model
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from dmg_core.checkpoint import write_ensemble

MEMBERS, DAYS = 6, 30
#: An hour of weather, in the order of the inputs.
HOUR = (1.0, 12.0, 0.006, 320.0, 300.0, 97000.0, 2.0, -1.0)


def write_models(folder: Path) -> dict[str, Path]:
    """Write a model of the published width, LSTM 64 and 4 components, and an ensemble of six."""
    members = [folder / f"seed-{seed}" for seed in range(MEMBERS)]
    for seed, member in enumerate(members):
        write_example_model(member, seed, replace(SETTINGS, physics="Hbv_2", hidden_size=64))
    return {"one model": members[0], f"{MEMBERS} members": write_ensemble(folder / "ensemble", members).folder}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give model folders."""
    return write_models(tmp_path_factory.mktemp("models"))


def started(model_dir: Path, place: Path) -> BmiDeltaModel:
    """Give an initialized model."""
    values = {"catchment_id": "cat-1", "model_dir": str(model_dir), "time_step": "1 day", "start_time": str(datetime(2001, 5, 3))}
    attributes = {name: float(mean) for name, (mean, _) in ATTRIBUTES.items()}
    path = place / "cat-1.yml"
    path.write_text(yaml.safe_dump(values | {"pet_method": "penman_monteith"} | attributes))
    model = BmiDeltaModel()
    model.initialize(str(path))
    return model


def step_days(model: BmiDeltaModel, days: int) -> None:
    """Step as ngen does: set all inputs, update, read the main output."""
    given = [(variable.name, np.array([value])) for variable, value in zip(PENMAN_MONTEITH_INPUTS, HOUR, strict=True)]
    main = model.get_output_var_names()[0]
    for _ in range(24 * days):
        for name, value in given:
            model.set_value(name, value)
        model.update()
        model.get_value_ptr(main)


@pytest.mark.parametrize("kind", ["one model", f"{MEMBERS} members"])
@pytest.mark.benchmark(group=f"{DAYS} days of a catchment through the BMI", min_rounds=5)
def test_days_through_the_bmi(benchmark: Any, models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Days of a catchment, hour by hour."""
    model = started(models[kind], tmp_path)
    step_days(model, 2)
    benchmark(step_days, model, DAYS)
