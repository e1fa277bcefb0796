"""All kinds of models that run behind the BMI, with a few catchments for each and a way to start them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.restart import states_of
from bmi_dmg.stepping.daily import DailyStepper
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.stepping.weather import Weather
from dmg_core import Engine

#: What configurations of each kind differ in.
KINDS: dict[str, dict[str, Any]] = {
    "daily, Hargreaves": {"physics": "Hbv_2"},
    "daily, Penman–Monteith": {"physics": "Hbv_2", "pet_method": "penman_monteith"},
    "hourly": {"physics": "Hbv_2_hourly"},
    "2.1 hourly": {"physics": "Hbv_2_1_hourly"},
    "multi-timescale": {"physics": "Hbv_2_mts", "warmup": {"cycle_days": 1}},
    "1.1p": {"physics": "Hbv_1_1p"},
    "1.0": {"physics": "Hbv", "pet_method": "penman_monteith"},
}

#: Catchments by what they differ in: the first loses groundwater to the region, the last gains some, the second has snow for long.
CATCHMENTS = {"cat-1": {"uparea": 3.254}, "cat-2": {"uparea": 900.0, "meanelevation": 2300.0}, "cat-3": {"uparea": 2600.0, "aridity": 0.6}}

LATITUDE = 40.6


@dataclass
class Kind:
    """Catchments of one kind of model.

    Parameters
    ----------
    settings : dict
        What their configurations have in common.
    start : datetime
        Start of hour 0.
    write_config : callable
        The fixture of that name.
    """

    settings: dict[str, Any]
    start: datetime
    write_config: Callable[..., Path]

    def configs(self, hour: int = 0, ids: Sequence[str] = tuple(CATCHMENTS), **changes: Any) -> list[Path]:
        """Write configurations that start at an hour."""
        settings = self.settings | {"start_time": str(self.start + timedelta(hours=hour))} | changes
        return [self.write_config(catchment_id=name, **{**CATCHMENTS[name], **settings}) for name in ids]

    def models(self, hour: int = 0, ids: Sequence[str] = tuple(CATCHMENTS), **changes: Any) -> dict[str, BmiDeltaModel]:
        """Give initialized models by catchment."""
        models = {}
        for name, config in zip(ids, self.configs(hour, ids, **changes), strict=True):
            models[name] = BmiDeltaModel()
            models[name].initialize(str(config))
        return models


def make_kind(
    name: str,
    start: datetime,
    write_config: Callable[..., Path],
    make_model: Callable[..., Path],
    attributes: Mapping[str, float],
    folder: Path,
) -> Kind:
    """Give a kind by its name; a model whose static parameters come from a series has run one, and starts from its state in ``folder``."""
    settings = KINDS[name]
    if settings["physics"] in ("Hbv", "Hbv_1_1p"):
        model, file = make_model(settings["physics"], 0), folder / "settled.safetensors"
        _settle(model, attributes, start, settings.get("pet_method", "hargreaves"), file)
        settings = settings | {"initial_state": str(file)}
    return Kind(settings, start, write_config)


def _settle(model: Path, attributes: Mapping[str, float], start: datetime, method: str, file: Path) -> None:
    """Run a spin-up series through an engine and write what a BMI object starts from."""
    engine = Engine.from_folder(model, "float64")
    tables = [{**attributes, **changes} for changes in CATCHMENTS.values()]
    catchments = engine.add({key: np.array([table[key] for table in tables]) for key in attributes}, CATCHMENTS)
    engine.run(np.random.default_rng(8).uniform(0.0, 9.0, (60, len(catchments), 3)))
    engine.reset_budget()
    latitude = LATITUDE if method == "hargreaves" else None
    layout = layout_of(engine.model.physics.process, method)
    steppers = [DailyStepper(catchment, Weather(catchment.id, layout), start, latitude) for catchment in catchments]
    states_of(engine.identity, {stepper.catchment.id: (start, stepper.capture()) for stepper in steppers}).write(file)
