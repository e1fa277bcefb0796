"""Catchments, weather and models to measure with: made, seeded, and of the sizes of the real ones."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.bench.sizes import Sizes
from bmi_dmg.demo.example_model import SETTINGS, write_example_model
from bmi_dmg.demo.multi_timescale_model import FURTHER_ATTRIBUTES, multi_timescale_settings, write_multi_timescale_example
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.writing import BMI_CONFIGS, Period, write_bmi_config
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from dmg_core.checkpoint.spellings import MULTI_TIMESCALE
from dmg_core.errors import ConfigError
from dmg_core.models.hbv import Hbv20, Hbv20Hourly

SEED: Final = 11
START: Final = datetime(2000, 1, 1)
PERIOD: Final = Period(START, START + timedelta(days=3653, hours=-1))

#: The models: the physics of each, and its time step in BMI configs.
COUPLED: Final = "multi-timescale"
MODELS: Final = {
    "daily": (Hbv20.name, "1 day"),
    "hourly": (Hbv20Hourly.name, "1 hour"),
    COUPLED: (MULTI_TIMESCALE, "1 hour"),
}

#: More catchments than these share configs: reading costs the same, and the files stay few.
MOST_CONFIGS: Final = 1000

#: Days and places of the weather, which is used in a circle: a month without snow, with rain, at four places.
WEATHER_DAYS: Final = 30
WEATHER_START: Final = datetime(2000, 4, 15)
PLACES: Final = Places(
    latitude=np.array([40.0, 40.2, 40.4, 40.6]),
    longitude=np.array([-77.0, -77.2, -77.4, -77.6]),
    elevation=np.array([250.0, 350.0, 450.0, 550.0]),
)

#: Bytes of a number in a weight file, and how much room besides is left on the disk.
_FLOAT32_BYTES, _MARGIN = 4, 200e6


@dataclass(frozen=True)
class Domain:
    """Files to measure with.

    Attributes
    ----------
    folder : Path
        Where all of it lies.
    weather : Path
        ``.npy`` of float64, (hours, places, inputs), whole days.
    inputs : tuple of str
        BMI names of the inputs.
    attributes : dict of str to ndarray
        Of the catchments that have configs of their own.
    """

    folder: Path
    weather: Path
    inputs: tuple[str, ...]
    attributes: dict[str, NDArray[np.float64]]

    def model(self, name: str) -> Path:
        """Model folder of one of :data:`MODELS`."""
        return self.folder / name / "model"

    def configs(self, name: str, count: int) -> list[str]:
        """Paths of BMI configs for a model."""
        files = sorted((self.folder / name / BMI_CONFIGS).glob("*.yml"))
        return [str(files[i % len(files)]) for i in range(count)]


def write_domain(folder: Path, sizes: Sizes) -> Domain:
    """Write everything to measure with.

    Parameters
    ----------
    folder : Path
        An empty folder.
    sizes : Sizes
        Of the models, and how many catchments.

    Raises
    ------
    ConfigError
        If the disk has no room for it.
    """
    _check_room(folder, sizes)
    domain = Domain(
        folder=folder,
        weather=folder / "weather.npy",
        inputs=tuple(variable.name for variable in PENMAN_MONTEITH_INPUTS),
        attributes=_attributes(min(max(sizes.domains), MOST_CONFIGS)),
    )
    np.save(domain.weather, _weather())
    for name, width in (("daily", sizes.mlp_width), ("hourly", sizes.hourly_mlp_width)):
        settings = replace(SETTINGS, physics=MODELS[name][0], hidden_size=sizes.lstm_width, mlp_hidden_size=width)
        write_example_model(domain.model(name), SEED, settings)
    write_multi_timescale_example(domain.model(COUPLED), SEED, multi_timescale_settings(sizes.coupled_width, sizes.coupled_mlp_width))
    for name, (_, time_step) in MODELS.items():
        write_configs(domain, name, time_step, len(domain.attributes["uparea"]))
    return domain


def write_configs(domain: Domain, name: str, time_step: str, count: int) -> None:
    """Write BMI configs of the first ``count`` catchments for the model folder ``name``."""
    for i in range(count):
        attributes = {attribute: values[i] for attribute, values in domain.attributes.items()}
        write_bmi_config(
            domain.folder / name,
            f"cat-{i + 1}",
            PERIOD,
            attributes,
            model_dir=str(domain.model(name)),
            latitude=40.0,
            time_step=time_step,
        )


def _check_room(folder: Path, sizes: Sizes) -> None:
    hidden_layers = 6
    needed = _FLOAT32_BYTES * hidden_layers * (sizes.mlp_width**2 + sizes.hourly_mlp_width**2) + _MARGIN
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"{folder}: {free / 1e6:.0f} MB are free, {needed / 1e6:.0f} MB are needed; set TMPDIR to a folder with more room"
        )


def _weather() -> NDArray[np.float64]:
    """Make the weather in the units of the BMI, (hours, places, inputs)."""
    weather = synthesize_weather(PLACES, WEATHER_START, 24 * WEATHER_DAYS, SEED)
    weather["precip_rate"] *= 3600.0
    weather["TMP_2maboveground"] -= 273.15
    file_names = {known.csdms: known.file_names[0] for known in WELL_KNOWN}
    values = [weather[file_names[variable.name]].T for variable in PENMAN_MONTEITH_INPUTS]
    return np.stack(values, axis=-1).astype(np.float64)


def _attributes(count: int) -> dict[str, NDArray[np.float64]]:
    """Draw attributes of a humid temperate region; those whose mean is positive are so themselves."""
    rng = np.random.default_rng(SEED)
    spreads = {**ATTRIBUTES, **FURTHER_ATTRIBUTES}
    drawn = {name: rng.normal(mean, std, count) for name, (mean, std) in spreads.items()}
    return {name: np.abs(values) if spreads[name][0] > 0.0 else values for name, values in drawn.items()}
