"""What is routed after the run: whether t-route can, and whether water would be delayed twice."""

from __future__ import annotations

import json
from pathlib import Path

from bmi_dmg.checking.findings import Findings
from bmi_dmg.checking.model_facts import ModelFacts
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.variables import RUNOFF_DEPTH, TOTAL_FLUX, UNROUTED_FLUX


def inspect_routing(folder: Path, realization: Realization, findings: Findings) -> None:
    """Note a t-route configuration that is not there."""
    named = _troute_config(realization)
    if named is not None and not (folder / named).is_file():
        findings.warning(
            "routing",
            f"{realization.path}: 'routing' names {named}, which does not exist, so t-route could not run",
            realization.path,
            "add the file, or remove 'routing'",
            variable="routing",
        )


def inspect_double_routing(realization: Realization, facts: ModelFacts, findings: Findings) -> None:
    """Warn where t-route gets runoff that a unit hydrograph has delayed before; the run folder is the working directory."""
    formulation = realization.formulation
    aliases = {alias: name for name, alias in formulation.variables_names_map.items()}
    main = aliases.get(formulation.main_output_variable, formulation.main_output_variable)
    named = _troute_config(realization)
    if named is None or not Path(named).is_file() or not facts.routes or main not in (RUNOFF_DEPTH, TOTAL_FLUX):
        return
    findings.warning(
        "double-routing",
        f"{realization.path}: t-route gets '{main}', which the unit hydrograph of {facts.folder} has delayed before: water would be "
        "delayed twice",
        realization.path,
        f"name {UNROUTED_FLUX} as main_output_variable, or remove 'routing'",
        variable="main_output_variable",
    )


def _troute_config(realization: Realization) -> str | None:
    """Give the file of t-route's settings that a realization names."""
    routing = json.loads(realization.path.read_text(encoding="utf-8")).get("routing")
    named = routing.get("t_route_config_file_with_path") if isinstance(routing, dict) else None
    return named if isinstance(named, str) else None
