"""Steps catchments as ngen does, in this process or, given to a new one as what it shall do, in that."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bmi_dmg import BmiDeltaModel

Arrays = dict[str, np.ndarray]


def step_hours(models: Mapping[str, BmiDeltaModel], weather: Mapping[str, np.ndarray], first: int, last: int) -> Arrays:
    """Step initialized models, by catchment, all of them through one hour after the other.

    Parameters
    ----------
    models : mapping of str to BmiDeltaModel
        By catchment.
    weather : mapping of str to ndarray (T, 8)
        By catchment, the inputs in the order of the table; models take as many of them as they have inputs.
    first, last : int
        Hours of the weather: from ``first`` to before ``last``.

    Returns
    -------
    dict of str to ndarray (last - first, outputs)
        All outputs of every hour, by catchment.
    """
    results = {name: np.empty((last - first, model.get_output_item_count())) for name, model in models.items()}
    for hour in range(first, last):
        for name, model in models.items():
            for place, variable in enumerate(model.get_input_var_names()):
                model.set_value(variable, weather[name][hour, place : place + 1])
            model.update()
            results[name][hour - first] = [model.get_value_ptr(output)[0] for output in model.get_output_var_names()]
    return results


def step_configs(configs: Sequence[Path], weather: Path, first: int, last: int, result: Path, environment: Mapping[str, str]) -> None:
    """Do the same from the files of configurations, named by their catchments, and of the weather; the results go to a file, too."""
    os.environ |= environment
    models = {config.stem: BmiDeltaModel() for config in configs}
    for config in configs:
        models[config.stem].initialize(str(config))
    with np.load(weather) as series:
        results = step_hours(models, series, first, last)
    np.savez(result, **results)
