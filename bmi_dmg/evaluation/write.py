"""The files of an evaluation, and what it comes to in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.evaluation.bands import draw_reliability
from bmi_dmg.evaluation.pictures import draw_hydrographs, draw_learning, draw_parameters, draw_score_map, draw_scores
from bmi_dmg.evaluation.samples import summary_of_samples, write_samples
from dmg_core.data.samples import SampleData
from dmg_core.errors import ConfigError
from dmg_core.files import path_written_whole
from dmg_core.learning.evaluation import SCORES_NAME, Evaluation, write_scores

SIMULATION_NAME: Final = "simulation.nc"

FloatArray = NDArray[np.float64]


def write_evaluation(
    folder: Path,
    evaluation: Evaluation,
    title: str,
    published: Mapping[str, Mapping[str, float]],
    logs: Mapping[str, Path] | None = None,
    held_out: NDArray[np.bool_] | None = None,
) -> None:
    """Write flow, scores and pictures; of samples, what :mod:`bmi_dmg.evaluation.samples` says.

    Parameters
    ----------
    folder : Path
        Made if need be; files of earlier evaluations are replaced.
    evaluation : Evaluation
        What to write.
    title : str
        Names the models in files and pictures.
    published : mapping of str to mapping of str to float
        For other models, by name: NSE by gauge.
    logs : mapping of str to Path, optional
        Logs of the trainings, by name.
    held_out : ndarray of bool, shape (N,), optional
        Which samples have not been learned from, if that is known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(evaluation.basins, SampleData):
        if published:
            raise ConfigError("scores of other models (--published) go by gauge; samples have none")
        write_samples(folder, evaluation, title, held_out)
        if logs:
            draw_learning(folder / "learning.png", logs)
        return
    write_simulation(folder / SIMULATION_NAME, evaluation, title)
    write_scores(folder / SCORES_NAME, evaluation.basins.ids, evaluation.scores)
    if evaluation.parameters:  # an LSTM alone has none, and so has an ensemble with one
        draw_parameters(folder / "parameters.png", evaluation, title)
    if evaluation.scored:
        draw_scores(folder / "scores.png", evaluation, title, published)
        draw_score_map(folder / "map.png", evaluation, title)
        draw_hydrographs(folder / "hydrographs.png", evaluation, title)
    if evaluation.scored and evaluation.quantiles is not None:
        draw_reliability(folder / "reliability.png", evaluation, title)
    if logs:
        draw_learning(folder / "learning.png", logs)


def write_simulation(path: Path, evaluation: Evaluation, title: str) -> None:
    """Write flow in CF NetCDF: ``streamflow(gauge_id, time)``, simulated, and ``streamflow_observed``, in mm/d over the areas of the data.

    Observed flow is NaN where there is none. A model with a calibrated spread has ``streamflow_quantile(quantile, gauge_id, time)`` too.
    """
    import xarray as xr

    basins = evaluation.basins
    places = {
        "latitude": ("gauge_id", basins.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": ("gauge_id", basins.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        "area": ("gauge_id", basins.upstream_area, {"long_name": "drainage area", "units": "km2"}),
    }
    flows = {"streamflow": ("simulated", evaluation.simulated), "streamflow_observed": ("observed", basins.flow)}
    variables: dict[str, Any] = {
        name: (("gauge_id", "time"), values.T.astype(np.float32), _about_flow(which)) for name, (which, values) in flows.items()
    }
    if evaluation.quantiles is not None:
        flows = {**flows, "streamflow_quantile": ("quantiles of", evaluation.quantiles)}
        values = evaluation.quantiles.transpose(2, 1, 0).astype(np.float32)
        variables["streamflow_quantile"] = (("quantile", "gauge_id", "time"), values, _about_flow("quantiles of"))
        places["quantile"] = ("quantile", np.array(evaluation.levels), {"long_name": "probability of less flow", "units": "1"})
    dataset = xr.Dataset(
        {**variables, "area": places.pop("area")},
        {
            "gauge_id": ("gauge_id", np.array(basins.ids, dtype=object), {"cf_role": "timeseries_id"}),
            "time": ("time", basins.dates.astype("datetime64[ns]"), {"standard_name": "time"}),
            **places,
        },
        {"Conventions": "CF-1.8", "featureType": "timeSeries", "title": f"Streamflow simulated by {title}"},
    )
    with path_written_whole(path) as unfinished:
        dataset.to_netcdf(
            unfinished,
            engine="netcdf4",
            encoding={
                **{key: {"zlib": True, "complevel": 4} for key in flows},
                "time": {"units": f"days since {basins.dates[0]}", "dtype": "i4"},
            },
        )


def _about_flow(which: str) -> dict[str, str]:
    return {
        "units": "mm/d",
        "long_name": f"{which} streamflow, depth over the drainage area",
        "cell_methods": "time: mean",
        "comment": "of the calendar day that begins at the time",
        "coordinates": "latitude longitude",
    }


def read_published(path: Path) -> dict[str, dict[str, float]]:
    """Read NSE of other models: a CSV with a column ``gauge_id`` and one for each model; columns that are no numbers are passed over.

    Raises
    ------
    ConfigError
        If it cannot be read so.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"gauge_id": str})
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a table of scores: {error}") from error
    if "gauge_id" not in table.columns:
        raise ConfigError(f"{path}: no column 'gauge_id'; it has {', '.join(map(str, table.columns))}")
    numbers = table.set_index("gauge_id").select_dtypes("number")
    return {str(name): {str(gauge): float(value) for gauge, value in numbers[name].dropna().items()} for name in numbers.columns}


def summary(evaluation: Evaluation, published: Mapping[str, Mapping[str, float]]) -> str:
    """Say in a few lines how well it went."""
    basins = evaluation.basins
    if isinstance(basins, SampleData):
        return summary_of_samples(evaluation)
    lines = [f"{len(basins.ids)} basins, {basins.dates[0]} to {basins.dates[-1]}, {evaluation.scored} with observed flow"]
    if evaluation.scored:
        scores = ", ".join(f"{name.upper()} {evaluation.median(name):.3f}" for name in ("nse", "kge"))
        biases = ", ".join(f"{name.upper()} {evaluation.median(name):+.1f} %" for name in ("pbias", "flv", "fhv"))
        lines.append(f"Medians: {scores}, {biases}")
        if evaluation.quantiles is not None:
            lines.append(f"Spread: {quality(evaluation)}")
    for name, by_gauge in published.items():
        both = [(mine, by_gauge[gauge]) for gauge, mine in scored_basins(evaluation).items() if gauge in by_gauge]
        if both:
            mine, theirs = np.median(np.array(both), axis=0)
            lines.append(f"Median NSE over the {len(both)} basins that {name} has too: {mine:.3f}, {name} {theirs:.3f}")
    return "\n".join(lines)


def quality(evaluation: Evaluation) -> str:
    """Say in a line how good calibrated quantiles are: medians over basins."""
    bands = [name.removeprefix("coverage_") for name in evaluation.scores if name.startswith("coverage_")]
    held = ", ".join(f"{100.0 * evaluation.median(f'coverage_{band}'):.1f} % of days in the {band} % band" for band in bands)
    crps, reliability = evaluation.median("crps_to_mae"), evaluation.median("reliability")
    return f"{held}{'; ' if held else ''}CRPS {crps:.3f} of the mean absolute error; reliability index {reliability:.3f}"


def scored_basins(evaluation: Evaluation) -> dict[str, float]:
    """NSE by gauge, of the basins that have one."""
    pairs = zip(evaluation.basins.ids, evaluation.scores["nse"], strict=True)
    return {gauge: float(value) for gauge, value in pairs if np.isfinite(value)}
