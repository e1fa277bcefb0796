"""From a hydrofabric and a forcing to a run folder: BMI configs and a realization for a model.

What a folder has been set to before stays as far as it goes with what it is prepared for now, and what is replaced is not lost: it is
told, and kept under a name that no one takes for a realization or a config (:mod:`bmi_dmg.preparing.keeping`).
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import numpy as np

from bmi_dmg.checking.findings import listing
from bmi_dmg.checking.model_facts import ModelFacts, read_model_facts
from bmi_dmg.config.bmi_config import TIME_STEPS
from bmi_dmg.preparing.attributes import Attributes, collect_attributes
from bmi_dmg.preparing.climate_source import CSV_PATTERN, opened_climate
from bmi_dmg.preparing.for_ngwpc import fork_layers, write_fork_forcing, write_fork_hydrofabric
from bmi_dmg.preparing.keeping import Earlier, EarlierConfig, keep_copy, own_module, replaced_line, with_choices
from bmi_dmg.preparing.start_file import keep_static_parameters
from bmi_dmg.pretrained import CONUS_DAILY, copy_shipped_model, shipped_model
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.hydrofabric import Catchments, find_geopackage, read_divides
from bmi_dmg.run_folder.layouts import forcing_in_fork_layout, is_in_fork_layout
from bmi_dmg.run_folder.ngen_kinds import NgenKind
from bmi_dmg.run_folder.realization import ZARR, ForcingSettings, find_realization
from bmi_dmg.run_folder.writing import (
    BMI_CONFIGS,
    FORCING,
    REALIZATION,
    TROUTE,
    UNROUTED,
    Form,
    Period,
    as_yaml,
    bmi_config_of,
    realization_of,
    write_json,
)
from bmi_dmg.variables import INPUTS, budget_columns_of, computes_pet, inputs_of, main_output_of, outputs_of, quantiles_of
from dmg_core.attribute_ranges import far_outside
from dmg_core.documents import load_json
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.files import many_written_whole, path_written_whole
from dmg_core.spread import read_spread

#: What NGIAB's preprocessor leaves beside the forcing: the grid it has cut it out of.
DOWNLOAD_CACHE: Final = "raw_gridded_data.nc"
#: Where in a run folder a pretrained model is put.
MODELS: Final = "models"


@dataclass(frozen=True)
class Prepared:
    """What has been written into a run folder.

    Attributes
    ----------
    run_folder : Path
        The folder.
    realization : Path
        The realization.
    kept : Path or None
        Where a realization that was there before is kept.
    catchments : tuple of str
        Catchments that have a BMI config.
    period : Period
        Hours of the run.
    variant : str
        The model.
    pet_method : str
        How potential evapotranspiration is computed.
    attributes : Attributes
        Attributes of the catchments.
    notes : tuple of str
        What has been replaced, and where it is kept.
    """

    run_folder: Path
    realization: Path
    kept: Path | None
    catchments: tuple[str, ...]
    period: Period
    variant: str
    pet_method: str
    attributes: Attributes
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Say what was written, and from what."""
        sources = Counter(self.attributes.sources.values())
        came_from = ", ".join(f"{n} from {source}" for source, n in sources.items())
        computed = [name for name, source in self.attributes.sources.items() if {"hydrofabric", "forcing"} & set(source.split(" and "))]
        n = len(self.catchments)
        lines = [
            f"{n} catchment{'' if n == 1 else 's'}, {self.period.start} to {self.period.end}, {self.variant}, PET by {self.pet_method}",
            f"Attributes: {came_from}" + (f" (computed: {', '.join(computed)})" if computed else ""),
            *(f"Note: {note}" for note in self.attributes.notes),
        ]
        if self.kept is not None:
            lines.append(f"The realization that was there is kept as {self.kept}")
        lines += self.notes
        return "\n".join([*lines, f"Next: bmi-dmg check {self.run_folder}"])


def prepare(
    run_folder: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    attributes: str | os.PathLike[str] | None = None,
    climate: str | os.PathLike[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    form: Form | None = None,
    pet_method: str | None = None,
    ngen: NgenKind | str | None = None,
) -> Prepared:
    """Write one BMI config per divide, and the realization.

    Parameters
    ----------
    run_folder : path
        Folder with ``config/*.gpkg`` and ``forcings/forcings.nc`` (or one CSV per catchment in ``forcings/``).
    model : path, optional
        Model folder. One inside the run folder is named by its relative path, so that the folder can be moved. By default the pretrained
        one (:mod:`bmi_dmg.pretrained`), which is copied into ``models``.
    attributes : path, optional
        Table of attributes; see :func:`bmi_dmg.preparing.attribute_tables.read_attribute_table`. What it lacks is computed as far as
        possible.
    climate : path, optional
        Table of climate indices, or hourly weather to compute them from instead of the forcing of the run: a NetCDF file, or a folder of
        CSV files.
    start, end : datetime, optional
        First and last hour of the run; by default those of the realization that is there, if the forcing has them, or else all that the
        forcing has for all catchments.
    form : {"bmi_multi", "bmi_python"}, optional
        Form of the realization; by default that of the one that is there, or ``bmi_multi``.
    pet_method : {"penman_monteith", "hargreaves"}, optional
        By default that of the model's training, if its folder says so; else Penman–Monteith if the forcing has all it needs.
    ngen : NgenKind or str, optional
        Which ngen is to run the folder; for NGWPC's fork hydrofabric and forcing are brought into its layout. By default the fork if the
        hydrofabric is in its layout, or else ngen's main branch.

    Raises
    ------
    DmgError
        If anything is missing or does not fit together; nothing has been written then.
    """
    folder = Path(run_folder).resolve()
    facts = _usable_model(shipped_model() if model is None else Path(model))
    geopackage = find_geopackage(folder)
    if geopackage is None:
        raise ConfigError(f"{folder / 'config'}: no geopackage; put the hydrofabric of the catchments there")
    earlier = _earlier_realization(folder)
    kind = _kind(ngen, geopackage)
    catchments, settings = read_divides(geopackage), _find_forcing(folder)
    weather = None if climate is None else Path(climate)
    with closing(open_forcing(settings, catchments.ids)) as forcing, opened_climate(weather, catchments.ids) as indices:
        method = _pet_method(pet_method, facts, forcing, catchments)
        period, notes = _period(forcing, catchments.ids, start, end, earlier)
        table = None if attributes is None else Path(attributes)
        found = collect_attributes(facts.attributes, catchments, table=table, geopackage=geopackage, forcing=forcing, climate=indices)
        columns = {variable.name: forcing.column(variable.name) for variable in inputs_of(facts.process, method)}
    far = far_outside(facts.training_ranges, found.values, catchments.ids)
    found = replace(found, notes=(*found.notes, *(facts.training_ranges[name].tell(name, entries) for name, entries in far.items())))
    if facts.needs_series:
        notes.append(f"{facts.process.name} takes its static parameters from a series: run 'bmi-dmg spinup {folder} --use' before the run")
    notes += _bring_into_layout(kind, geopackage, settings, catchments.ids)
    if model is None:
        facts = replace(facts, folder=copy_shipped_model(folder / MODELS / CONUS_DAILY))
    form = form or ("bmi_python" if earlier is not None and earlier.form == "bmi_python" else "bmi_multi")
    content = realization_of(
        folder,
        period,
        budget_columns_of(facts.process),
        pet_method=method,
        form=form,
        forcing=_forcing_block(folder, settings),
        columns=columns,
        ngen=kind,
        main_output=UNROUTED if facts.routes and (folder / TROUTE).is_file() else main_output_of(facts.process),
    )
    notes += _write_configs(folder, facts, catchments, period, method, found, earlier)
    outputs, spread = outputs_of(facts.process), read_spread(facts.folder)
    names = {variable.name for variable in (*outputs, *quantiles_of(outputs[0], () if spread is None else spread.levels))}
    place, kept = _write_realization(folder, content, earlier, names)
    notes += _told_main_output(load_json(place.read_text(encoding="utf-8")))
    return Prepared(folder, place, kept, catchments.ids, period, facts.process.name, method, found, tuple(notes))


def _told_main_output(content: dict[str, Any]) -> list[str]:
    """Say which runoff t-route gets, and why."""
    module = own_module(content)
    if module is None or "routing" not in content or module["main_output_variable"] != UNROUTED:
        return []
    return [
        f"t-route is to run ({TROUTE}), so the main output is the runoff before the model's unit hydrograph ({UNROUTED}): the channels of "
        "t-route delay it, and water is not delayed twice"
    ]


def _earlier_realization(folder: Path) -> Earlier | None:
    """Read the realization that is there, if there is one."""
    if not any((folder / "config").glob("*realization*.json")):
        return None
    return Earlier.read(find_realization(folder))


def _kind(wanted: NgenKind | str | None, geopackage: Path) -> NgenKind:
    """Choose the ngen that a folder is for; only the fork reads a hydrofabric in its layout."""
    is_fork = is_in_fork_layout(geopackage)
    kind = NgenKind(wanted) if wanted is not None else NgenKind.NGWPC if is_fork else NgenKind.STOCK
    if is_fork and kind is not NgenKind.NGWPC:
        raise ConfigError(f"{geopackage}: is in the layout of NGWPC's ngen (div_id), which {kind.label} does not read; take one of v2.2")
    return kind


def _bring_into_layout(kind: NgenKind, geopackage: Path, forcing: ForcingSettings, ids: Sequence[str]) -> list[str]:
    """Bring hydrofabric and forcing into the layout of the fork, if it is to run the folder; say what was there before."""
    if kind is not NgenKind.NGWPC:
        return []
    notes = []
    if not is_in_fork_layout(geopackage):
        kept = write_fork_hydrofabric(geopackage, fork_layers(geopackage))
        notes.append(f"{geopackage} is in the layout of {kind.label} now; it is kept as it was as {kept}")
    if forcing.provider == "NetCDF" and not forcing_in_fork_layout(forcing.path):
        kept = write_fork_forcing(forcing.path, ids)
        notes.append(f"{forcing.path} is in the layout of {kind.label} now; it is kept as it was as {kept}")
    return notes


def _usable_model(folder: Path) -> ModelFacts:
    facts = read_model_facts(folder)
    if facts.needs_series and not facts.own:
        raise ConfigError(f"{folder}: {facts.process.name} takes its static parameters from a series, so ngen cannot step it")
    return facts


def _find_forcing(folder: Path) -> ForcingSettings:
    """Take ``forcings.nc`` in ``forcings``, or the one other NetCDF file there, or the one Zarr store, or else its CSV files."""
    place = folder / FORCING.parent
    if (folder / FORCING).is_file():
        return ForcingSettings("NetCDF", folder / FORCING, None)
    files = sorted(path for path in place.glob("*.nc") if path.name != DOWNLOAD_CACHE)
    if len(files) > 1:
        raise ConfigError(f"{place}: expected {FORCING.name} or one NetCDF file, found {', '.join(path.name for path in files)}")
    if files:
        return ForcingSettings("NetCDF", files[0], None)
    stores = sorted(place.glob("*.zarr"))
    if len(stores) > 1:
        raise ConfigError(f"{place}: expected one Zarr store, found {', '.join(path.name for path in stores)}")
    if stores:
        return ForcingSettings(ZARR, stores[0], None, run_folder=folder)
    if not any(place.glob("*.csv")):
        cache = f" ({DOWNLOAD_CACHE} is the preprocessor's download, not the forcing)" if (place / DOWNLOAD_CACHE).is_file() else ""
        raise ConfigError(f"{place}: no forcing{cache}; put {FORCING.name}, or one CSV file per catchment, there")
    return ForcingSettings("CsvPerFeature", place, CSV_PATTERN)


def _forcing_block(folder: Path, settings: ForcingSettings) -> dict[str, Any]:
    path = f"./{settings.path.relative_to(folder).as_posix()}"
    if settings.provider in {"NetCDF", ZARR}:
        return {"path": path, "provider": settings.provider}
    return {"path": f"{path}/", "provider": settings.provider, "file_pattern": settings.file_pattern}


def _pet_method(wanted: str | None, facts: ModelFacts, forcing: ForcingReader, catchments: Catchments) -> str:
    """Choose a method that model, forcing and hydrofabric allow."""
    process = facts.process
    missing = {
        method: [variable.name for variable in inputs_of(process, method) if variable.name not in forcing.units] for method in INPUTS
    }
    only_hargreaves = bool(missing["penman_monteith"]) and facts.process.steps_per_day == 1
    method = wanted or facts.pet_method or ("hargreaves" if only_hargreaves else "penman_monteith")
    if missing[method]:
        needing = method if computes_pet(process) else process.name
        raise ForcingError(f"{forcing.source}: {needing} needs {', '.join(missing[method])}; the forcing has {', '.join(forcing.units)}")
    if not computes_pet(process):
        return method
    if method == "hargreaves" and facts.process.steps_per_day > 1:
        raise ConfigError(f"hargreaves is daily; the hourly model {facts.process.name} needs penman_monteith")
    if method == "hargreaves" and (catchments.latitude is None or np.isnan(catchments.latitude).any()):
        raise ConfigError(
            "hargreaves needs latitudes, but the hydrofabric's divides have no coordinate system, or no geometry; correct it, or take "
            "penman_monteith (--pet)"
        )
    return method


def _period(
    forcing: ForcingReader, ids: Sequence[str], start: datetime | None, end: datetime | None, earlier: Earlier | None
) -> tuple[Period, list[str]]:
    """Hours that are wanted and that all catchments have, and what is to be said of them."""
    without = [catchment for catchment in ids if catchment not in forcing.catchments]
    if without:
        raise ForcingError(f"{forcing.source}: no forcing for {listing(without)}")
    aware = next((time for time in (start, end) if time is not None and time.tzinfo is not None), None)
    if aware is not None:
        raise ConfigError(f"a run goes by UTC without saying so; give {aware} as {aware.astimezone(timezone.utc).replace(tzinfo=None)}")
    coverage = [forcing.coverage(catchment) for catchment in ids]
    first, last = max(begin for begin, _ in coverage), min(finish for _, finish in coverage)
    period, notes = Period(first if start is None else start, last if end is None else end), []
    times = None if earlier is None else earlier.times
    if times is not None:
        before = Period(times[0] if start is None else start, times[1] if end is None else end)
        if first <= before.start <= before.end <= last:
            period = before
        else:
            notes.append(
                f"The realization that was there goes from {times[0]} to {times[1]}, which is not kept: the forcing goes from {first} to "
                f"{last}"
            )
    if period.start < first or period.end > last:
        raise ForcingError(f"{forcing.source}: the forcing goes from {first} to {last}, not from {period.start} to {period.end}")
    if period.end < period.start or (period.end - period.start) % timedelta(hours=1) or period.start.minute or period.start.second:
        raise ConfigError(f"a run goes from a full hour to the same or a later one, not from {period.start} to {period.end}")
    return period, notes


def _write_realization(folder: Path, content: dict[str, Any], earlier: Earlier | None, outputs: Set[str]) -> tuple[Path, Path | None]:
    """Write the realization; one that is there keeps its choices and its name, and is kept as it was if anything changes."""
    if earlier is None:
        write_json(folder / REALIZATION, content)
        return folder / REALIZATION, None
    content = with_choices(earlier, content, outputs)
    if content == earlier.content:
        return earlier.path, None
    kept = keep_copy(earlier.path)
    write_json(earlier.path, content)
    return earlier.path, kept


def keep_once(path: Path, suffix: str) -> Path | None:
    """Copy a file to one of the same name and a suffix, unless that exists already: then it holds what was there first.

    Returns
    -------
    Path or None
        The copy, if one was made.
    """
    copy = path.with_name(f"{path.name}.{suffix}")
    if copy.exists():
        return None
    with path_written_whole(copy) as unfinished:
        shutil.copyfile(path, unfinished)
    return copy


def _write_configs(
    folder: Path,
    facts: ModelFacts,
    catchments: Catchments,
    period: Period,
    method: str,
    found: Attributes,
    earlier: Earlier | None,
) -> list[str]:
    """Write the BMI configs, with the choices of those that are there; say what was replaced in them."""
    model = facts.folder.resolve()
    model_dir = f"./{model.relative_to(folder).as_posix()}" if model.is_relative_to(folder) else str(model)
    time_step = next(text for text, steps in TIME_STEPS.items() if steps == facts.process.steps_per_day)
    contents, replaced = {}, []
    for i, catchment in enumerate(catchments.ids):
        values: Mapping[str, float] = {name: float(column[i]) for name, column in found.values.items()}
        latitude = None if catchments.latitude is None or np.isnan(catchments.latitude[i]) else float(catchments.latitude[i])
        own = None if earlier is None else earlier.config_of(catchment)
        before = EarlierConfig.read(folder / (own or BMI_CONFIGS / f"{catchment}.yml"))
        content = bmi_config_of(
            catchment,
            period,
            values,
            model_dir=model_dir,
            latitude=latitude,
            time_step=time_step,
            pet_method=method,
            choices=None if before is None else before.choices(folder, model_dir, values),
        )
        contents[folder / BMI_CONFIGS / f"{catchment}.yml"] = content
        replaced.append([] if before is None else before.replaced(content))
    notes = []
    if any(replaced) and (folder / BMI_CONFIGS).is_dir():
        notes.append(replaced_line(replaced, keep_copy(folder / BMI_CONFIGS)))
    many_written_whole(folder / BMI_CONFIGS, ((path.name, as_yaml(content)) for path, content in contents.items()))
    keep_static_parameters(contents, model)
    return notes
