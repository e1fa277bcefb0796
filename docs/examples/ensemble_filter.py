"""Your own method from outside: an ensemble Kalman filter over BMI objects, by their hidden variables.

python ensemble_filter.py RUN_FOLDER CATCHMENT FLOW.csv

Members are BMI objects of one catchment with other rain and other stores. They share one engine, so more of them cost little. Whenever a
day has been observed, the logarithms of their stores are moved by the covariance with the flow that the members have simulated.
"""

import sys
from pathlib import Path

import numpy as np

from bmi_dmg import BmiDeltaModel
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_folder.weather_source import WeatherSource
from dmg_core.data.daily_flow import daily_means
from dmg_core.data.flow_files import read_flow

STORES = ("state::soil_moisture", "state::upper_zone", "state::lower_zone")
RUNOFF = "land_surface_water__runoff_depth"  # m in an hour
RAIN_ERROR, STORE_ERROR, FLOW_ERROR, TINY = 0.3, 0.1, 0.1, 1e-6


def filter_flow(config, weather, observed, members=12, seed=0):
    """Step an ensemble through hourly weather (T, n), and correct it after each day with an observation (days,), mm/d.

    Returns the mean flow of the days as simulated before they were known, mm/d, and the members.
    """
    random = np.random.default_rng(seed)
    models = [BmiDeltaModel() for _ in range(members)]
    for model in models:
        model.initialize(str(config))
    names, means = models[0].get_input_var_names(), []
    for day, value in enumerate(observed):
        rain = np.exp(RAIN_ERROR * random.standard_normal(members))
        for hour in weather[24 * day : 24 * (day + 1)]:
            for model, factor in zip(models, rain, strict=True):
                for name, number in zip(names, hour, strict=True):
                    model.set_value(name, np.array([number * factor if "precipitation" in name else number]))
                model.update()
        flow = np.array([24000.0 * model.get_value_ptr(RUNOFF)[0] for model in models])
        means.append(flow.mean())
        if np.isfinite(value):
            correct(models, flow, value, random)
    return np.array(means), models


def correct(models, flow, value, random):
    """Move the logarithms of the members' stores towards an observed flow, and let them differ by some error of the model."""
    held = [np.concatenate([model.get_value_ptr(name) for name in STORES]) for model in models]
    logs = np.log(np.array(held) + TINY)
    variance = (FLOW_ERROR * value) ** 2 + 0.01**2
    gain = (logs - logs.mean(0)).T @ (flow - flow.mean()) / (len(flow) - 1) / (flow.var(ddof=1) + variance)
    wanted = value + np.sqrt(variance) * random.standard_normal(len(flow))
    logs += (wanted - flow)[:, None] * gain + STORE_ERROR * random.standard_normal(logs.shape) * (np.array(held) > TINY)
    for model, row in zip(models, np.maximum(np.exp(logs) - TINY, 0.0), strict=True):
        for name, values in zip(STORES, np.split(row, len(STORES)), strict=True):
            model.set_value(name, values)


def main(folder, catchment, file):
    """Filter a catchment of a run folder."""
    realization = read_realization(Path(folder).resolve())
    config = Path(folder) / realization.formulation.config_of(catchment)
    example = BmiDeltaModel()
    example.initialize(str(config))
    reader = open_forcing(realization.forcing, [catchment])
    names_map = realization.formulation.variables_names_map
    source = WeatherSource(reader, [catchment], example.stepper.layout.inputs, names_map)
    days = realization.n_steps // 24
    weather = source.read(realization.start, 24 * days)[:, 0]
    daily = daily_means(read_flow(Path(file), {catchment})[catchment], None)
    known = dict(zip(daily.days, daily.values, strict=True))
    observed = [known.get(day, np.nan) for day in np.datetime64(realization.start, "D") + np.arange(days)]
    for day, mean in enumerate(filter_flow(config, weather, observed)[0]):
        print(np.datetime64(realization.start, "D") + day, f"{mean:.3f}", observed[day])


if __name__ == "__main__":
    main(*sys.argv[1:])
