"""Pictures of a run: hydrographs of many catchments side by side, and all that is known of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bmi_dmg.plots.catchment import plot_catchment
from bmi_dmg.plots.overview import plot_hydrographs
from bmi_dmg.results.reading import RunResults

__all__ = ["plot_catchment", "plot_hydrographs", "plot_run"]


def plot_run(
    source: str | os.PathLike[str],
    picture: str | os.PathLike[str],
    *,
    catchments: Sequence[str] | None = None,
    observed: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Draw what suits the number of catchments and the place.

    Parameters
    ----------
    source : path
        A run folder that has been run, or the NetCDF file a run has written.
    picture : path
        A ``.png`` or ``.svg`` file for one picture: of the one catchment there is or that is named, or of several side by side. A path
        without ending is a folder, made if need be, for a picture of each catchment.
    catchments : sequence of str, optional
        Catchments to draw; by default all in a folder, up to 12 in one picture.
    observed : path, optional
        Observed flow; see :func:`bmi_dmg.results.observed.read_observed`.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    ConfigError
        As :func:`plot_hydrographs` and :func:`plot_catchment` do.
    """
    place = Path(picture)
    with RunResults(source) as results:
        ids = list(results.ids) if catchments is None else list(catchments)
        results.rows_of(ids)
    if place.is_dir() or not place.suffix:
        place.mkdir(parents=True, exist_ok=True)
        return [plot_catchment(source, place / f"{catchment}.png", catchment, observed=observed) for catchment in ids]
    if len(ids) == 1:
        return [plot_catchment(source, place, ids[0], observed=observed)]
    return [plot_hydrographs(source, place, catchments=catchments, observed=observed)]
