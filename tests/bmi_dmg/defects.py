"""Ways to break a run folder, and what a check must find then."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from bmi_dmg.checking.findings import Severity
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING
from tests.bmi_dmg.changes import (
    HOURS,
    IDS,
    MODULE,
    OUTER,
    PERIOD,
    START,
    Change,
    both,
    drop_tensor,
    keep_values,
    put,
    remove,
    rewrite_forcing,
    set_all_configs,
    set_config,
    set_forcing,
    set_key,
    set_time,
    shift_one,
    skip_hours,
    write,
)

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@dataclass(frozen=True)
class Defect:
    """What is done to a good folder, and what must be found then."""

    change: Change
    severity: Severity
    kind: str
    says: str
    place: str = "config/realization.json"
    catchments: tuple[str, ...] = ()
    variable: str | None = None
    time: datetime | None = None


RAIN, WARMTH, PRESSURE, HUMIDITY = "precip_rate", "TMP_2maboveground", "PRES_surface", "SPFH_2maboveground"
MISSING_CLASS = "no_such_module.Bmi"
GAPS = slice(200, 203)
OTHER_UNITS = """from bmi_dmg import BmiDeltaModel

class Bmi(BmiDeltaModel):
    def get_var_units(self, name):
        return "m3 s-1" if "runoff_depth" in name else super().get_var_units(name)
"""

DEFECTS = {
    "no realization": Defect(remove("config/realization.json"), ERROR, "realization", "found none", "config"),
    "two realizations": Defect(
        write("config/old_realization.json", "{}"), ERROR, "realization", "old_realization.json, realization.json", "config"
    ),
    "broken realization": Defect(write("config/realization.json", "{"), ERROR, "realization", "is not JSON", "config"),
    "daily interval": Defect(
        set_key("time", "output_interval", value=86400), ERROR, "realization", "is 86400, expected 3600, because ngen steps", "config"
    ),
    "end before start": Defect(
        set_key("time", "end_time", value="2019-04-01 00:00:00"), ERROR, "realization", "whole number of hours after", "config"
    ),
    "forcing file in the module": Defect(
        set_key(*MODULE, "uses_forcing_file", value=True), ERROR, "realization", "is True, expected false", "config"
    ),
    "two hydrofabrics": Defect(write("config/other.gpkg", ""), ERROR, "hydrofabric", "basin.gpkg, other.gpkg", "config"),
    "broken hydrofabric": Defect(write("config/basin.gpkg", "?"), ERROR, "hydrofabric", "'divides' cannot be read", "config"),
    "no config of a divide": Defect(
        remove(f"{BMI_CONFIGS}/cat-2.yml"), ERROR, "config-missing", "not readable for cat-2", str(BMI_CONFIGS), ("cat-2",)
    ),
    "config of no divide": Defect(
        lambda folder: shutil.copy(folder / BMI_CONFIGS / "cat-2.yml", folder / BMI_CONFIGS / "cat-77.yml"),
        WARNING,
        "config-stray",
        "hydrofabric does not have: cat-77",
        str(BMI_CONFIGS),
        ("cat-77",),
    ),
    "config of another catchment": Defect(
        set_config("cat-2", catchment_id="cat-3"),
        WARNING,
        "config-catchment",
        "the file is that of cat-2",
        f"{BMI_CONFIGS}/cat-2.yml",
        ("cat-2",),
    ),
    "config starts at another hour": Defect(
        set_config("cat-3", start_time="2019-05-01 06:00:00"),
        ERROR,
        "config-start",
        "start_time is 2019-05-01 06:00:00, but the run starts at 2019-05-01 00:00:00",
        f"{BMI_CONFIGS}/cat-3.yml",
        ("cat-3",),
        "start_time",
    ),
    "config starts on another day": Defect(
        set_config("cat-3", start_time="2018-05-01 00:00:00"),
        WARNING,
        "config-start",
        "start_time is 2018-05-01",
        f"{BMI_CONFIGS}/cat-3.yml",
        ("cat-3",),
        "start_time",
    ),
    "config that is no YAML": Defect(
        write(f"{BMI_CONFIGS}/cat-1.yml", "a: [1"), ERROR, "config", "is not YAML", f"{BMI_CONFIGS}/cat-1.yml", ("cat-1",)
    ),
    "slip in a key": Defect(
        set_config("cat-2", catchment_id=None, catchment_ids="cat-2"),
        ERROR,
        "config",
        "did you mean 'catchment_id'",
        f"{BMI_CONFIGS}/cat-2.yml",
        ("cat-2",),
    ),
    "unknown PET method": Defect(
        set_all_configs(pet_method="penman"), ERROR, "config", "pet_method is 'penman'", f"{BMI_CONFIGS}/cat-1.yml", IDS
    ),
    "daily model stepped hourly": Defect(
        set_config("cat-2", time_step="1 hour"), ERROR, "config", "a model of '1 day'", f"{BMI_CONFIGS}/cat-2.yml", ("cat-2",)
    ),
    "attribute missing": Defect(
        both(set_config("cat-1", NDVI=None), set_config("cat-3", NDVI=None)),
        ERROR,
        "attribute-missing",
        "the attribute NDVI is missing (and the same for 1 more: cat-3)",
        f"{BMI_CONFIGS}/cat-1.yml",
        ("cat-1", "cat-3"),
        "NDVI",
    ),
    "attribute that is NaN": Defect(
        set_config("cat-2", Porosity=float("nan")),
        ERROR,
        "attribute-missing",
        "the attribute Porosity is missing",
        f"{BMI_CONFIGS}/cat-2.yml",
        ("cat-2",),
        "Porosity",
    ),
    "attribute that is no number": Defect(
        set_config("cat-2", FW="much"), ERROR, "config", "FW is 'much', expected a number", f"{BMI_CONFIGS}/cat-2.yml", ("cat-2",)
    ),
    "elevation in cm": Defect(
        set_config("cat-2", meanelevation=43000.0),
        WARNING,
        "attribute-range",
        "meanelevation is 43000 for cat-2",
        f"{BMI_CONFIGS}/cat-2.yml",
        ("cat-2",),
        "meanelevation",
    ),
    "precipitation per day": Defect(
        set_all_configs(meanP=2.8), WARNING, "attribute-range", "meanP is 2.8 for cat-1", f"{BMI_CONFIGS}/cat-1.yml", IDS, "meanP"
    ),
    "no model folder": Defect(
        remove("model"), ERROR, "config", "model_dir is './model', expected a folder", f"{BMI_CONFIGS}/cat-1.yml", IDS
    ),
    "weights that do not fit": Defect(drop_tensor, ERROR, "model", "missing tensors: lstminv.linear_out.bias", "model"),
    "no statistics": Defect(remove("model/normalization_statistics.json"), ERROR, "model", "missing files: normalization", "model"),
    "class that cannot be imported": Defect(
        set_key(*MODULE, "python_type", value=MISSING_CLASS), ERROR, "class", "cannot be imported: ModuleNotFoundError"
    ),
    "class that does not exist": Defect(set_key(*MODULE, "python_type", value="bmi_dmg.Bmi"), ERROR, "class", "has no class 'Bmi'"),
    "no forcing file": Defect(remove(str(FORCING)), ERROR, "forcing-file", "cannot be opened", str(FORCING)),
    "divide without forcing": Defect(
        rewrite_forcing(IDS[:2]), ERROR, "forcing-catchment", "no forcing for cat-3", str(FORCING), ("cat-3",)
    ),
    "forcing of other catchments": Defect(
        rewrite_forcing((*IDS, "cat-55")), NOTE, "forcing-unused", "not in this run: cat-55", str(FORCING), ("cat-55",)
    ),
    "catchment twice in the forcing": Defect(
        rewrite_forcing((*IDS, "cat-3")),
        ERROR,
        "forcing-file",
        "ids must name each catchment once, but cat-3 stands in row 3 and row 4",
        str(FORCING),
    ),
    "step at the end time not covered": Defect(
        rewrite_forcing(hours=slice(0, HOURS - 1)),
        ERROR,
        "forcing-time",
        "does not cover the run",
        str(FORCING),
        IDS,
        None,
        PERIOD.end,
    ),
    "forcing starts late": Defect(
        rewrite_forcing(hours=slice(5, None)), ERROR, "forcing-time", "forcing from 2019-05-01 05:00:00", str(FORCING), IDS, None, START
    ),
    "hours left out": Defect(
        set_time(skip_hours), ERROR, "forcing-file", "2019-05-05 03:00:00 is followed by 2019-05-05 07:00:00", str(FORCING)
    ),
    "times in days": Defect(
        set_time(keep_values, "days"), ERROR, "forcing-file", "unit 'days', which ngen would take for seconds", str(FORCING)
    ),
    "times of one catchment": Defect(set_time(shift_one), ERROR, "forcing-file", "Time of cat-3 differs from that of cat-1", str(FORCING)),
    "variable missing": Defect(rewrite_forcing(without=PRESSURE), ERROR, "forcing-variable", f"no variable '{PRESSURE}' for input"),
    "gaps": Defect(
        set_forcing(WARMTH, put(1, GAPS, np.nan)),
        ERROR,
        "forcing-gap",
        "3 in all, the first at 2019-05-09 08:00:00, for cat-2",
        str(FORCING),
        ("cat-2",),
        WARMTH,
        START + timedelta(hours=200),
    ),
    "gaps that are filled": Defect(
        both(set_forcing(WARMTH, put(1, GAPS, np.nan)), set_config("cat-2", missing_forcing="hold")),
        NOTE,
        "forcing-gap",
        "3 in all",
        str(FORCING),
        ("cat-2",),
        WARMTH,
        START + timedelta(hours=200),
    ),
    "negative rain": Defect(
        set_forcing(RAIN, put(2, 50, -1e-4)),
        ERROR,
        "forcing-impossible",
        "is -0.36 mm h-1 at 2019-05-03 02:00:00, expected 0 to 1000 mm h-1, for cat-3",
        str(FORCING),
        ("cat-3",),
        RAIN,
        START + timedelta(hours=50),
    ),
    "fill values": Defect(
        set_forcing(HUMIDITY, put(slice(None), 30, -9999.0)),
        ERROR,
        "forcing-impossible",
        "is -9999 kg kg-1",
        str(FORCING),
        IDS,
        HUMIDITY,
        START + timedelta(hours=30),
    ),
    "celsius called kelvin": Defect(
        set_forcing(WARMTH, lambda values: values - 273.15),
        ERROR,
        "forcing-units",
        "says its unit is 'K', but its values",
        str(FORCING),
        IDS,
        WARMTH,
        START,
    ),
    "kelvin called celsius": Defect(
        set_forcing(WARMTH, keep_values, "degC"), ERROR, "forcing-units", "look like 'K'", str(FORCING), IDS, WARMTH, START
    ),
    "mm/h called mm/s": Defect(
        set_forcing(RAIN, lambda values: values * 3600), ERROR, "forcing-units", "look like 'mm h-1'", str(FORCING), IDS, RAIN
    ),
    "mm/d called mm/h": Defect(
        set_forcing(RAIN, lambda values: values * 86400, "mm h-1"), WARNING, "forcing-units", "look like 'mm d-1'", str(FORCING), IDS, RAIN
    ),
    "hPa called Pa": Defect(
        set_forcing(PRESSURE, lambda values: values / 100), ERROR, "forcing-units", "look like 'hPa'", str(FORCING), IDS, PRESSURE, START
    ),
    "g/kg called kg/kg": Defect(
        set_forcing(HUMIDITY, lambda values: values * 1000), ERROR, "forcing-units", "look like 'g kg-1'", str(FORCING), IDS, HUMIDITY
    ),
    "radiation summed over the hour": Defect(
        set_forcing("DLWRF_surface", lambda values: values * 3600),
        ERROR,
        "forcing-units",
        "look like 'J m-2 h-1'",
        str(FORCING),
        IDS,
        "DLWRF_surface",
        START,
    ),
    "hardly any radiation": Defect(
        set_forcing("DLWRF_surface", lambda values: values * 0.1),
        WARNING,
        "forcing-strange",
        "has a mean of",
        str(FORCING),
        IDS,
        "DLWRF_surface",
    ),
    "unit that is none": Defect(
        set_forcing(RAIN, keep_values, "bogus"), ERROR, "forcing-variable", "'bogus' is not a unit that UDUNITS knows"
    ),
    "unit of something else": Defect(
        set_forcing(RAIN, keep_values, "kg m-2 s-1"), ERROR, "forcing-variable", "they measure different things"
    ),
    "unknown output": Defect(
        set_key(*OUTER, "output_variables", value=["soil_water_depth"]), ERROR, "output", "did you mean 'soil_water__depth'?"
    ),
    "output twice": Defect(
        set_key(*OUTER, "output_variables", value=["soil_water__depth"] * 2), ERROR, "output", "twice", variable="output_variables"
    ),
    "main output that is no depth": Defect(
        both(write("other_units.py", OTHER_UNITS), set_key(*MODULE, "python_type", value="other_units.Bmi")),
        ERROR,
        "main-output",
        "is in 'm3 s-1', but ngen takes",
        variable="land_surface_water__runoff_depth",
    ),
    "main output per hour": Defect(
        set_key(*OUTER, "main_output_variable", value="land_surface_water__runoff_volume_flux"),
        NOTE,
        "main-output",
        "which is what ngen takes it for",
        variable="land_surface_water__runoff_volume_flux",
    ),
    "results of other catchments": Defect(
        write("outputs/ngen/cat-99.csv", "Time Step,Time\n"), WARNING, "leftovers", "not in this run: cat-99", "outputs/ngen", ("cat-99",)
    ),
    "no configuration of t-route": Defect(
        set_key("routing", value={"t_route_config_file_with_path": "./config/troute.yaml"}),
        WARNING,
        "routing",
        "./config/troute.yaml, which does not exist",
        variable="routing",
    ),
    "water delayed twice": Defect(
        both(
            write("config/troute.yaml", "log_parameters: {}\n"),
            set_key("routing", value={"t_route_config_file_with_path": "./config/troute.yaml"}),
        ),
        WARNING,
        "double-routing",
        "has delayed before: water would be delayed twice",
        variable="main_output_variable",
    ),
    "key without meaning": Defect(
        set_config("cat-1", elephants=3),
        NOTE,
        "config-key",
        "key 'elephants' means nothing",
        f"{BMI_CONFIGS}/cat-1.yml",
        ("cat-1",),
        "elephants",
    ),
}
