"""Writers of what a run folder holds, in the form of NGIAB's preprocessor; every file is written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.ngen_kinds import NgenKind
from bmi_dmg.run_folder.realization import FORK_TOKEN, ID_TOKEN, STEP_SECONDS, TIME_FORMAT
from bmi_dmg.variables import INPUTS, RUNOFF_DEPTH, UNROUTED_FLUX, budget_columns_of
from dmg_core.files import path_written_whole, written_whole
from dmg_core.models.hbv import Hbv20

#: Where things lie in a run folder.
REALIZATION: Final = Path("config") / "realization.json"
FORCING: Final = Path("forcings") / "forcings.nc"
BMI_CONFIGS: Final = Path("config") / "cat_config" / "dhbv2"
TROUTE: Final = Path("config") / "troute.yaml"

#: What t-route is given of a model that routes.
UNROUTED: Final = UNROUTED_FLUX

#: Columns of the catchment CSV from which the water budget can be drawn up, of the family of models that comes with the package.
BUDGET_COLUMNS: Final = budget_columns_of(Hbv20())

#: How ngen is to check the water budget: once a day, because each check is some ten calls for every catchment; it warns, and goes on.
MASS_BALANCE: Final = {"check": True, "tolerance": 1e-6, "fatal": False, "frequency": 24}

#: The C writer where PyYAML was built with it, with the same text.
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

#: The two forms of a realization.
Form = Literal["bmi_multi", "bmi_python"]

#: Input -> its name in forcing files that NGIAB writes.
AORC_NAMES: Final = {known.csdms: known.file_names[0] for known in WELL_KNOWN}
#: Name in forcing files -> unit that NGIAB writes.
FORCING_UNITS: Final = {known.file_names[0]: known.units for known in WELL_KNOWN} | {"APCP_surface": "mm h^-1"}


@dataclass(frozen=True)
class Period:
    """Hours of a run.

    Attributes
    ----------
    start, end : datetime
        Start of the first and of the last hour.
    """

    start: datetime
    end: datetime


def write_forcing(run_folder: Path, ids: Sequence[str], start: datetime, weather: Mapping[str, NDArray[np.float32]]) -> None:
    """Write ``forcings/forcings.nc``.

    Parameters
    ----------
    run_folder : Path
        Made if it does not exist.
    ids : sequence of str
        N catchments.
    start : datetime
        First hour.
    weather : mapping of str to NDArray[np.float32], shape (N, T)
        Hourly values by AORC's names, in :data:`FORCING_UNITS`.
    """
    import netCDF4

    hours = next(iter(weather.values())).shape[1]
    seconds = int((start - datetime(1970, 1, 1)).total_seconds()) + STEP_SECONDS * np.arange(hours)
    with path_written_whole(_place(run_folder, FORCING)) as path, netCDF4.Dataset(str(path), "w", format="NETCDF4") as dataset:
        dataset.createDimension("catchment-id", len(ids))
        dataset.createDimension("time", hours)
        dataset.createVariable("ids", str, ("catchment-id",))[:] = np.array(ids, dtype=object)
        time = dataset.createVariable("Time", "i4", ("catchment-id", "time"))
        time.setncatts({"units": "s", "epoch_start": "01/01/1970 00:00:00"})
        time[:] = np.broadcast_to(seconds, (len(ids), hours))
        for name, values in weather.items():
            variable = dataset.createVariable(name, "f4", ("catchment-id", "time"), fill_value=np.nan)
            variable.units = FORCING_UNITS[name]
            variable[:] = values


def write_bmi_config(
    run_folder: Path,
    catchment: str,
    period: Period,
    attributes: Mapping[str, float],
    *,
    model_dir: str,
    latitude: float | None,
    time_step: str = "1 day",
    pet_method: str = "penman_monteith",
    choices: Mapping[str, Any] | None = None,
) -> None:
    """Write a catchment's BMI config.

    Parameters
    ----------
    run_folder : Path
        Made if it does not exist.
    catchment : str
        Its id.
    period : Period
        Hours of the run.
    attributes : mapping of str to float
        Of the catchment.
    model_dir : str
        Model folder, relative to the run folder or absolute.
    latitude : float or None
        Degrees north; left out if it is not known.
    time_step : {"1 day", "1 hour"}
        That of the model.
    pet_method : {"penman_monteith", "hargreaves"}
        How potential evapotranspiration is computed.
    choices : mapping, optional
        Further settings, which take the place of those that a config has by default.
    """
    content = bmi_config_of(
        catchment,
        period,
        attributes,
        model_dir=model_dir,
        latitude=latitude,
        time_step=time_step,
        pet_method=pet_method,
        choices=choices,
    )
    write_yaml(_place(run_folder, BMI_CONFIGS / f"{catchment}.yml"), content)


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a YAML file, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as stream:
        stream.write(as_yaml(content))


def as_yaml(content: Mapping[str, Any]) -> bytes:
    """Give the text of a YAML file."""
    text: str = yaml.dump(dict(content), Dumper=_DUMPER, sort_keys=False)
    return text.encode()


def bmi_config_of(
    catchment: str,
    period: Period,
    attributes: Mapping[str, float],
    *,
    model_dir: str,
    latitude: float | None,
    time_step: str = "1 day",
    pet_method: str = "penman_monteith",
    choices: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give the content of a catchment's BMI config; see :func:`write_bmi_config`."""
    return {
        "catchment_id": catchment,
        "catchment_name": catchment,
        **{name: float(value) for name, value in attributes.items()},
        "model_dir": model_dir,
        "stepwise": True,
        "initial_state": "zero",
        "dtype": "float32",
        "verbose": 0,
        "time_step": time_step,
        "start_time": period.start.strftime(TIME_FORMAT),
        "end_time": period.end.strftime(TIME_FORMAT),
        "pet_method": pet_method,
        **({} if latitude is None else {"latitude": float(latitude)}),
        **(choices or {}),
    }


def write_realization(
    run_folder: Path,
    period: Period,
    output_variables: Sequence[str],
    *,
    pet_method: str = "penman_monteith",
    form: Form = "bmi_multi",
    forcing: Mapping[str, Any] | None = None,
    name: Path = REALIZATION,
) -> None:
    """Write a realization with :class:`bmi_dmg.BmiDeltaModel` as the one module; see :func:`realization_of`.

    Parameters
    ----------
    run_folder : Path
        Made if it does not exist.
    period, output_variables, pet_method, form, forcing
        As for :func:`realization_of`.
    name : Path
        The file, relative to the run folder.
    """
    content = realization_of(run_folder, period, output_variables, pet_method=pet_method, form=form, forcing=forcing)
    write_json(_place(run_folder, name), content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    with written_whole(path) as stream:
        stream.write((json.dumps(content, indent=2) + "\n").encode())


def realization_of(
    run_folder: Path,
    period: Period,
    output_variables: Sequence[str],
    *,
    pet_method: str = "penman_monteith",
    form: Form = "bmi_multi",
    forcing: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    ngen: NgenKind = NgenKind.STOCK,
    main_output: str = RUNOFF_DEPTH,
) -> dict[str, Any]:
    """Give the content of a realization with :class:`bmi_dmg.BmiDeltaModel` as the one module.

    Parameters
    ----------
    run_folder : Path
        Where t-route's configuration is looked for.
    period : Period
        Hours of the run.
    output_variables : sequence of str
        Columns of the catchment CSV.
    pet_method : {"penman_monteith", "hargreaves"}
        Which inputs are taken from the forcing.
    form : {"bmi_multi", "bmi_python"}
        The module inside a ``bmi_multi``, as NGIAB has it, or alone.
    forcing : mapping, optional
        ngen's ``forcing`` block; by default the NetCDF file of :func:`write_forcing`.
    columns : mapping of str to str, optional
        Name in the forcing of each input; by default those of a model of precipitation, temperature and potential evapotranspiration, by
        AORC's names.
    ngen : NgenKind
        What it is for.
    main_output : str
        What ngen hands on, to t-route among others.

    Notes
    -----
    Where the folder has a configuration of t-route, ngen is told to run it.
    """
    names = columns or {variable.name: AORC_NAMES[variable.name] for variable in INPUTS[pet_method]}
    params = {**_params(form, ngen, names, main_output), "output_variables": list(output_variables)}
    return {
        "global": {
            "formulations": [{"name": form, "params": params}],
            "forcing": forcing or {"path": f"./{FORCING.as_posix()}", "provider": "NetCDF"},
        },
        "time": {
            "start_time": period.start.strftime(TIME_FORMAT),
            "end_time": period.end.strftime(TIME_FORMAT),
            "output_interval": STEP_SECONDS,
        },
        **({"routing": {"t_route_config_file_with_path": f"./{TROUTE.as_posix()}"}} if (run_folder / TROUTE).is_file() else {}),
        "output_root": "./outputs/ngen",
    }


def _params(form: Form, ngen: NgenKind, columns: Mapping[str, str], main_output: str) -> dict[str, Any]:
    module = _module(ngen, columns, main_output)
    if form == "bmi_python":
        return module
    return {
        "model_type_name": "bmi_multi",
        "forcing_file": "",
        "init_config": "",
        "allow_exceed_end_time": True,
        "main_output_variable": main_output,
        "modules": [{"name": "bmi_python", "params": module}],
    }


def _module(ngen: NgenKind, columns: Mapping[str, str], main_output: str) -> dict[str, Any]:
    return {
        "model_type_name": "bmi_dmg",
        "python_type": "bmi_dmg.BmiDeltaModel",
        "init_config": f"./{BMI_CONFIGS.as_posix()}/{FORK_TOKEN if ngen is NgenKind.NGWPC else ID_TOKEN}.yml",
        "allow_exceed_end_time": True,
        "main_output_variable": main_output,
        "uses_forcing_file": False,
        "variables_names_map": dict(columns),
        "mass_balance": MASS_BALANCE,
        # Inputs never change type or unit, so that there is no need to ask for them at every step; the fork does not know the key.
        **({} if ngen is NgenKind.NGWPC else {"cache_input_variable_metadata": True}),
    }


def _place(run_folder: Path, name: Path) -> Path:
    """Path of a file in a run folder, whose own folder is made."""
    path = run_folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
