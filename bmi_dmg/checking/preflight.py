"""The look at a run folder before anything runs: every problem is found and all are told at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import numpy as np
from bmipy import Bmi

from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.checking.config_checks import InspectedConfigs, inspect_configs
from bmi_dmg.checking.findings import Finding, Findings, Severity, Subject, listing
from bmi_dmg.checking.forcing_checks import KNOWN, Source, inspect_coverage, inspect_values
from bmi_dmg.checking.period_checks import inspect_period, inspect_start
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.hydrofabric import Catchments, find_catchments
from bmi_dmg.run_folder.realization import Formulation, Realization
from bmi_dmg.run_folder.units import converter
from bmi_dmg.run_folder.weather_source import source_of
from bmi_dmg.run_plan.lifecycle import Constructor, Variable, describe, finalize_all, initialized, interface_of, load_class
from bmi_dmg.run_plan.plan import Exchange, Input, Output, RunFolderError, RunPlan
from dmg_core.errors import ConfigError

logger = logging.getLogger(__name__)

NO_CATCHMENTS: Final = Catchments(ids=())

HYDROFABRIC: Final = Subject("hydrofabric", "config", "put exactly one hydrofabric geopackage into the folder 'config'")
CLASS_REMEDY: Final = "install the package in the environment of the run, or correct python_type (of this project: bmi_dmg.BmiDeltaModel)"
MODULE_REMEDY: Final = "correct what the message names; it is the BMI class that says so"
INPUT_REMEDY: Final = "correct variables_names_map in the realization, or the variable and its unit in the forcing"
OUTPUT_REMEDY: Final = "name one of the class's outputs"


@dataclass(frozen=True)
class Inspection:
    """What a look at a run folder has brought to light.

    Attributes
    ----------
    findings : tuple of Finding
        All that is wrong, or worth a look.
    catchments : Catchments
        The catchments, none if they are not known.
    plan : RunPlan or None
        What can be run, if there is no error; its forcing is open and its model initialised.
    """

    findings: tuple[Finding, ...]
    catchments: Catchments
    plan: RunPlan | None


def check_run(run_folder: Path, realization: Realization) -> RunPlan:
    """Check all that a run needs; the working directory must be the run folder. Warnings go to the log.

    Parameters
    ----------
    run_folder : Path
        The folder.
    realization : Realization
        Its realization.

    Raises
    ------
    RunFolderError
        If anything is wrong; it lists everything.
    """
    inspection = inspect_run(run_folder, realization)
    if inspection.plan is None:
        raise RunFolderError(run_folder, [finding.message for finding in inspection.findings if finding.severity is Severity.ERROR])
    for finding in inspection.findings:
        if finding.severity is Severity.WARNING:
            logger.warning("%s (%s)", finding.message, finding.remedy)
    return inspection.plan


def inspect_run(run_folder: Path, realization: Realization) -> Inspection:
    """Look at all that a run needs; the working directory must be the run folder.

    To learn the names and units of the BMI class, one object is made and initialised.

    Parameters
    ----------
    run_folder : Path
        The folder.
    realization : Realization
        Its realization.
    """
    findings = Findings()
    catchments = findings.attempt(HYDROFABRIC, find_catchments, run_folder, realization.formulation.init_config) or NO_CATCHMENTS
    with ExitStack() as opened:
        plan = _plan(catchments, realization, findings, opened)
        if findings.errors or plan is None:
            return Inspection(tuple(findings.found), catchments, None)
        opened.pop_all()
    return Inspection(tuple(findings.found), catchments, plan)


def _plan(catchments: Catchments, realization: Realization, findings: Findings, opened: ExitStack) -> RunPlan | None:
    """Put a run together; None if that is not possible. What is opened is put on the stack."""
    formulation, path = realization.formulation, realization.path
    configured = _with_config(formulation, catchments.ids, findings)
    forcing = findings.attempt(
        Subject("forcing-file", realization.forcing.place, f"repair or replace it, or correct its path in {path}"),
        open_forcing,
        realization.forcing,
        catchments.ids,
    )
    covered: list[str] = []
    if forcing is not None:
        opened.callback(forcing.close)
        covered = inspect_coverage(forcing, realization, catchments.ids, findings)
    construct = findings.attempt(Subject("class", path, CLASS_REMEDY), load_class, formulation.python_type)
    inspected = InspectedConfigs(sound=configured)
    if is_own(construct):
        inspected = inspect_configs(realization, configured, findings)
        inspect_start(realization, inspected.cold, findings)
    if construct is None or not inspected.sound:
        return None
    first = inspected.sound[0]
    model = findings.attempt(Subject("module", path, MODULE_REMEDY), initialized, construct, formulation, first)
    if model is None:
        return None
    opened.callback(finalize_all, [(first, model)])
    if isinstance(model, BmiDeltaModel):
        inspect_period(realization, model, findings)
    exchange = _exchange(model, realization, forcing, findings)
    if forcing is None or exchange is None:
        return None
    inspect_values(forcing, realization, covered, _known_sources(exchange), frozenset(inspected.gaps_filled), findings)
    named = frozenset(inspected.sources), frozenset(inspected.restart_folders)
    return RunPlan(realization, catchments, forcing, construct, model, exchange, *named)


def _known_sources(exchange: Exchange) -> list[Source]:
    """Where the weather comes from whose values can be judged."""
    return [Source(KNOWN[given.variable.name], given.source) for given in exchange.inputs if given.variable.name in KNOWN]


def is_own(construct: Constructor | None) -> bool:
    """Whether a class is ours, so that its configurations can be looked at."""
    return isinstance(construct, type) and issubclass(construct, BmiDeltaModel)


def _with_config(formulation: Formulation, ids: Sequence[str], findings: Findings) -> list[str]:
    paths = {catchment: Path(formulation.config_of(catchment)) for catchment in ids}
    without = [catchment for catchment, path in paths.items() if not (path.is_file() and os.access(path, os.R_OK))]
    if without:
        findings.error(
            "config-missing",
            f"BMI config '{formulation.init_config}' is missing or not readable for {listing(without)}",
            Path(formulation.init_config).parent,
            "write them with 'bmi-dmg prepare', or correct init_config in the realization",
            catchments=tuple(without),
        )
    return [catchment for catchment in ids if catchment not in set(without)]


def _exchange(model: Bmi, realization: Realization, forcing: ForcingReader | None, findings: Findings) -> Exchange | None:
    """Match what an object takes and gives with forcing and realization; None if there was a problem."""
    formulation, path = realization.formulation, realization.path
    interface = findings.attempt(Subject("module", path, MODULE_REMEDY), interface_of, model)
    if interface is None:
        return None
    declared, names = interface
    output = Subject("output", path, OUTPUT_REMEDY)
    weather = Subject("forcing-variable", path, INPUT_REMEDY)
    inputs = [findings.attempt(weather, input_of, variable, formulation, forcing) for variable in declared] if forcing is not None else []
    columns = names if formulation.output_variables is None else formulation.output_variables
    headers = columns if formulation.output_header_fields is None else formulation.output_header_fields
    if len(set(columns)) != len(columns):
        message = f"{path}: output_variables names a variable twice: {', '.join(columns)}"
        findings.error("output", message, path, "name each variable once", variable="output_variables")
    outputs = [findings.attempt(output, _output, model, names, realization, *column) for column in zip(columns, headers, strict=True)]
    main = findings.attempt(output, _output, model, names, realization, formulation.main_output_variable, None)
    if main is None:
        return None
    _check_depth(main.variable, realization, findings)
    if all(read is None or read.variable != main.variable for read in outputs):
        outputs.append(main)
    return Exchange(
        inputs=tuple(given for given in inputs if given is not None),
        outputs=tuple(read for read in outputs if read is not None),
        main_output=main.variable.name,
    )


def input_of(variable: Variable, formulation: Formulation, forcing: ForcingReader) -> Input:
    """Find where the values of an input come from.

    Raises
    ------
    ConfigError
        If it has several values per catchment, or the forcing has nothing in a fitting unit.
    """
    if variable.n_items != 1:
        raise ConfigError(f"input '{variable.name}' has {variable.n_items} values per catchment; forcing has one")
    return Input(variable, *source_of(forcing, variable.name, variable.units, formulation.variables_names_map))


def _output(model: Bmi, names: Sequence[str], realization: Realization, wanted: str, header: str | None) -> Output:
    """Find an output by its BMI name or its alias."""
    aliases = {alias: name for name, alias in realization.formulation.variables_names_map.items() if name in names}
    name = wanted if wanted in names else aliases.get(wanted)
    if name is None:
        near = get_close_matches(wanted, [*names, *aliases], n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the outputs are {', '.join(names)}"
        raise ConfigError(f"{realization.path}: output variable '{wanted}' is unknown; {hint}")
    return Output(describe(model, name), header)


def _check_depth(main: Variable, realization: Realization, findings: Findings) -> None:
    """Note a main output that is no depth of water: ngen takes its number for metres per step, whatever its unit."""
    path = realization.path
    if _convertible(main.units, "m"):
        return
    if _convertible(main.units, "m h-1") and _converted_one(main.units, "m h-1") == 1.0:
        findings.note(
            "main-output",
            f"{path}: the main output '{main.name}' is in '{main.units}'; for a step of an hour its number is that of a depth in m, which "
            "is what ngen takes it for, with a warning",
            path,
            "none needed" if "unrouted" in main.name else "none needed; 'land_surface_water__runoff_depth' avoids the warning",
            variable=main.name,
        )
        return
    findings.error(
        "main-output",
        f"{path}: the main output '{main.name}' is in '{main.units}', but ngen takes the number for metres of water per step",
        path,
        "name an output that is a depth per step, such as 'land_surface_water__runoff_depth' in m",
        variable=main.name,
    )


def _convertible(source: str, target: str) -> bool:
    try:
        converter(source, target)
    except ConfigError:
        return False
    return True


def _converted_one(source: str, target: str) -> float:
    convert = converter(source, target)
    return 1.0 if convert is None else float(convert(np.ones(1))[0])
