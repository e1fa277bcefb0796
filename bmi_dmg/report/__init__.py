"""One HTML page about a run, for people: a map to click, hydrographs, water budgets, findings and settings.

The page holds all it needs, its charting library included, and never asks the network for anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bmi_dmg.report.content import gather
from bmi_dmg.report.page import render
from dmg_core.files import written_whole

REPORT: Final = "report.html"

__all__ = ["REPORT", "write_report"]


def write_report(run_folder: str | os.PathLike[str], *, observed: str | os.PathLike[str] | None = None) -> Path:
    """Write ``report.html`` into a run folder that has been run.

    Parameters
    ----------
    run_folder : path
        The run folder.
    observed : path, optional
        Observed flow to hold the run against; see :func:`bmi_dmg.results.observed.read_observed`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If the folder has no results, or they, the realization or the observed flow cannot be read.
    ForcingError
        If the forcing cannot be read.
    """
    folder = Path(run_folder).resolve()
    page = render(gather(folder, None if observed is None else Path(observed)))
    path = folder / REPORT
    with written_whole(path) as stream:
        stream.write(page.encode("utf-8"))
    return path
