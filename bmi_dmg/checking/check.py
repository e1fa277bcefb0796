"""A look at a run folder before a run: what would break it, and what would quietly spoil it.

What a run needs is looked at by :mod:`bmi_dmg.checking.preflight`, which the driver asks too; here come the things beside it, and the
report.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bmi_dmg.checking.findings import Finding, Findings, Severity, Subject, listing
from bmi_dmg.checking.ngen_checks import inspect_for_ngen
from bmi_dmg.checking.package_checks import check_packages
from bmi_dmg.checking.preflight import NO_CATCHMENTS, inspect_run
from bmi_dmg.checking.routing_checks import inspect_routing
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.ngen_kinds import NgenKind
from bmi_dmg.run_folder.realization import ID_TOKEN, ONLY_NGEN, Realization, read_realization
from bmi_dmg.run_plan.claim import leftovers, running
from bmi_dmg.run_plan.lifecycle import finalize_all, working_in
from bmi_dmg.run_plan.plan import RunPlan
from bmi_dmg.run_plan.result_files import DATASET

REALIZATION_REMEDY: Final = "correct it, or write a new one with 'bmi-dmg prepare'"


@dataclass(frozen=True)
class CheckResult:
    """What is wrong with a run folder, or worth a look.

    Attributes
    ----------
    run_folder : Path
        The folder.
    findings : tuple of Finding
        Errors first, then warnings, then notes.
    """

    run_folder: Path
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """Count the findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def status(self) -> int:
        """Exit status: 0 if there is nothing worse than a note, 1 with warnings, 2 with errors."""
        return 2 if self.count(Severity.ERROR) else 1 if self.count(Severity.WARNING) else 0

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "run_folder": str(self.run_folder),
            "status": self.status,
            "counts": {severity.value: self.count(severity) for severity in Severity},
            "findings": [finding.as_json() for finding in self.findings],
        }

    def as_text(self) -> str:
        """Say all of it to a person."""
        lines = []
        for finding in self.findings:
            lines += [f"{finding.severity.value.upper():8s}{finding.message}", f"        -> {finding.remedy}"]
        counts = [f"{n} {severity.value}{'' if n == 1 else 's'}" for severity in Severity if (n := self.count(severity))]
        return "\n".join([*lines, f"{self.run_folder}: {', '.join(counts) or 'nothing to object to'}"])


def check_folder(run_folder: str | os.PathLike[str], *, ngen: NgenKind | str | None = None) -> CheckResult:
    """Look at a run folder; nothing in it is changed.

    Parameters
    ----------
    run_folder : path
        Folder with ``config/*realization*.json``, BMI configs, forcing and, as a rule, ``config/*.gpkg``.
    ngen : NgenKind or str, optional
        Which ngen is to run it: what that one would refuse, or pass over, is looked at too. By default ``bmi-dmg run`` is to.
    """
    folder, findings = Path(run_folder).resolve(), Findings()
    kind = None if ngen is None else NgenKind(ngen)
    subject = Subject("realization", folder / "config", REALIZATION_REMEDY)
    realization = findings.attempt(subject, read_realization, folder, passing_over=() if kind is None else ONLY_NGEN)
    if realization is not None:
        _inspect(folder, realization, findings, kind)
    order = list(Severity)
    return CheckResult(folder, tuple(sorted(findings.found, key=lambda finding: order.index(finding.severity))))


def _inspect(folder: Path, realization: Realization, findings: Findings, kind: NgenKind | None) -> None:
    with working_in(folder, realization.formulation.module_path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is among the findings
        inspection = inspect_run(folder, realization)
        findings.found += inspection.findings
        if inspection.plan is not None:
            _close(inspection.plan)
        _check_strays(inspection.catchments, realization, findings)
        _check_leftovers(inspection.catchments, realization, findings)
        _check_unfinished(folder, realization, findings)
        inspect_routing(folder, realization, findings)
        if kind is not None:
            inspect_for_ngen(kind, folder, realization, findings)
    check_packages(findings)


def _close(plan: RunPlan) -> None:
    plan.forcing.close()
    finalize_all([(plan.catchments.ids[0], plan.first_model)])


def _check_strays(catchments: Catchments, realization: Realization, findings: Findings) -> None:
    """Note BMI configs of catchments that the hydrofabric does not have."""
    pattern = Path(realization.formulation.init_config)
    if catchments is NO_CATCHMENTS or ID_TOKEN not in pattern.name or ID_TOKEN in str(pattern.parent):
        return
    expected = {Path(realization.formulation.config_of(catchment)).name for catchment in catchments.ids}
    strays = tuple(sorted(path.stem for path in pattern.parent.glob(pattern.name.replace(ID_TOKEN, "cat-*")) if path.name not in expected))
    if strays:
        findings.warning(
            "config-stray",
            f"{pattern.parent}: there are BMI configs of catchments that the hydrofabric does not have: {listing(strays)}",
            pattern.parent,
            "remove them, or use the hydrofabric they belong to; they are not run",
            catchments=strays,
        )


def _check_leftovers(catchments: Catchments, realization: Realization, findings: Findings) -> None:
    """Note results of other catchments among those of this run, and results older than what is to be run."""
    folder = realization.output_root
    if catchments is NO_CATCHMENTS or not folder.is_dir():
        return
    results = {path.stem: path for path in folder.glob("cat-*.csv")}
    foreign = tuple(sorted(results.keys() - set(catchments.ids)))
    if foreign:
        findings.warning(
            "leftovers",
            f"{folder}: there are results of catchments that are not in this run: {listing(foreign)}",
            folder,
            "remove them: whatever reads the folder would take them for results of this run",
            catchments=foreign,
        )
    changed = realization.path.stat().st_mtime
    old = tuple(catchment for catchment in catchments.ids if catchment in results and results[catchment].stat().st_mtime < changed)
    if old:
        findings.note(
            "old-results",
            f"{folder}: results of {listing(old)} are older than {realization.path}",
            folder,
            "none needed; the next run replaces them",
            catchments=old,
        )


def _check_unfinished(run_folder: Path, realization: Realization, findings: Findings) -> None:
    """Note a run that is going on, and what killed ones have left."""
    for folder in dict.fromkeys([realization.output_root, (run_folder / DATASET).parent]):
        busy, left = running(folder), leftovers(folder)
        if busy is not None:
            findings.note("running", f"{folder}: a run ({busy}) is writing its results there", folder, "wait for it")
        elif left:
            names = ", ".join(path.name for path in left)
            findings.warning(
                "unfinished",
                f"{folder}: a run that was ended before it was complete has left {names}; the results there may be of a run before it",
                folder,
                "run again, which puts this in order",
            )
