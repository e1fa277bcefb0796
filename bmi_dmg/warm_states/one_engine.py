"""All catchments of a run folder as rows of one engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.bmi.hidden_variables import no_such, parameter_variable
from bmi_dmg.bmi.startup import check_time_step, make_stepper
from bmi_dmg.checking.preflight import is_own
from bmi_dmg.config.bmi_config import BmiConfig, read_config
from bmi_dmg.run_folder.hydrofabric import find_catchments
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_plan.lifecycle import load_class
from bmi_dmg.stepping.stepper import Stepper
from dmg_core import Catchment
from dmg_core.errors import ConfigError
from dmg_core.sharing import open_engine

Array = npt.NDArray[np.float64]

#: What the catchments of a run must have in common to be run as one batch.
COMMON: Final = ("model_dir", "dtype", "device", "backend", "steps_per_day", "pet_method", "coupling")


def read_configs(folder: Path, realization: Realization, doing: str) -> dict[str, BmiConfig]:
    """Read the BMI configs of all catchments, and make sure that they can be run as one batch.

    Parameters
    ----------
    folder : Path
        The run folder.
    realization : Realization
        Its realization.
    doing : str
        What is to be done with the catchments, as in "spun up", for messages.

    Raises
    ------
    ConfigError
        If a config is wrong, names another class, or cannot be run with the others in one batch.
    """
    formulation = realization.formulation
    if not is_own(load_class(formulation.python_type)):
        raise ConfigError(f"{realization.path}: python_type is {formulation.python_type!r}; only bmi_dmg.BmiDeltaModel can be {doing}")
    ids = find_catchments(folder, formulation.init_config).ids
    configs = {catchment: read_config(formulation.config_of(catchment)) for catchment in ids}
    first = configs[ids[0]]
    for catchment, config in configs.items():
        if config.catchment_id != catchment:
            raise ConfigError(f"{config.path}: catchment_id is {config.catchment_id}, but the file is that of {catchment}")
        for name in COMMON:
            one, other = getattr(first, name), getattr(config, name)
            if one != other:
                raise ConfigError(
                    f"{config.path}: {name} is {other}, but {one} in {first.path}; catchments that are {doing} together need one of it"
                )
    return configs


def join(configs: Sequence[BmiConfig], realization: Realization) -> list[Stepper]:
    """Put all catchments into an engine of their own, from nothing, with the parameters that the realization sets.

    Raises
    ------
    ConfigError
        If a parameter is unknown or cannot have its value, or the model steps otherwise than the configs say.
    """
    first = configs[0]
    engine = open_engine(first.model_dir, first.dtype, first.device, first.backend, os.cpu_count() or 1, first.coupling)
    check_time_step(first, engine.model.physics.process)
    rows = [config.attributes(engine.attribute_names) for config in configs]
    table = {name: [row[name] for row in rows] for name in engine.attribute_names}
    catchments = engine.add(table, [config.catchment_id for config in configs])
    for name, value in realization.formulation.model_params.items():
        with as_config_error(f"{realization.path}: model_params"):
            for catchment in catchments:
                _set_parameter(catchment, name, np.atleast_1d(np.array(value, np.float64)))
    return [make_stepper(config, catchment) for config, catchment in zip(configs, catchments, strict=True)]


def _set_parameter(catchment: Catchment, name: str, values: Array) -> None:
    """Set a parameter, as the BMI does: other names are ignored, near misses are not."""
    parameter, message = parameter_variable(catchment, name), no_such(catchment, name)
    if message is not None:
        raise ConfigError(message)
    if parameter is not None:
        parameter.write(values)


@contextmanager
def as_config_error(what: str) -> Iterator[None]:
    """Turn a value that is refused, or a file that cannot be written, into an error about the run folder."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ConfigError(f"{what}: {error}") from error
