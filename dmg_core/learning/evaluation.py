"""How well trained models do in a period: simulated flow, scores of each basin, parameters."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.attribute_ranges import far_outside, training_ranges
from dmg_core.checkpoint import members_of
from dmg_core.data import BasinData
from dmg_core.data.samples import columns_of, side_by_side
from dmg_core.ensembles.declaration import STD
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.files import written_whole
from dmg_core.learning.data.material import Inputs, read_data, tensors_of, with_inputs
from dmg_core.learning.finite_flow import require_finite
from dmg_core.learning.loop.run_folder import load_trained
from dmg_core.learning.settings.data import DataSettings
from dmg_core.learning.settings.experiment import Period
from dmg_core.learning.settings.experiment_file import EXPERIMENT_NAME, read_experiment
from dmg_core.learning.settings.start import model_folder_of
from dmg_core.metrics import METRICS, scores_of_quantiles
from dmg_core.model import DeltaModel
from dmg_core.models.layout import TOTAL
from dmg_core.spread import Spread, read_spread

#: Basins run together; bounds the memory.
BLOCK: Final = 128
SCORES_NAME: Final = "scores.csv"

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]


class Scored:
    """Something with scores of several basins or gauges.

    Attributes
    ----------
    scores : dict of str to ndarray (B,)
        By the names of :data:`dmg_core.metrics.METRICS`; NaN where there is no observed flow.
    """

    scores: Mapping[str, FloatArray]

    def median(self, metric: str) -> float:
        """Median of a score over the basins that have one; NaN if none has."""
        values = self.scores[metric][np.isfinite(self.scores[metric])]
        return float(np.median(values)) if len(values) else float("nan")

    @property
    def scored(self) -> int:
        """Number of basins, or groups of samples, with a score."""
        return int(np.isfinite(self.scores["nse"]).sum())


@dataclass(frozen=True, eq=False)
class Evaluation(Scored):
    """What models, or the mean of several, do in a period of D days, in B basins.

    Attributes
    ----------
    basins : BasinData
        The basins on these days; or samples, each with the one step it has.
    simulated : ndarray, shape (D, B)
        mm/d over the areas of the data; of several models, the mean of their flows.
    groups : tuple of str
        What is scored, G of them: each basin by itself, or the groups of samples.
    scores : dict of str to ndarray (G,)
        By the names of :data:`dmg_core.metrics.METRICS`; NaN where there is no observed flow.
    parameters : dict of str to ndarray (B,)
        Physical values, means over components and days; of several models, their mean.
    deviation : ndarray, shape (D, B), or None
        Standard deviation of the flows of several models, mm/d; None of a single one.
    levels : tuple of float
        Levels of calibrated quantiles; none of a model without calibrated spread.
    quantiles : ndarray, shape (D, B, L), or None
        Quantiles of flow, mm/d. The scores then have those of :func:`dmg_core.metrics.scores_of_quantiles` too.
    models : tuple of DeltaModel
        The models.
    """

    basins: BasinData
    simulated: FloatArray
    groups: tuple[str, ...]
    scores: Mapping[str, FloatArray]
    parameters: Mapping[str, FloatArray]
    deviation: FloatArray | None = None
    levels: tuple[float, ...] = ()
    quantiles: FloatArray | None = None
    models: tuple[DeltaModel, ...] = ()


def evaluate_folders(
    folders: Sequence[Path],
    file: Path,
    attributes: Path | None,
    period: tuple[str, str] | Period | None = None,
    *,
    ids: Sequence[str] | None = None,
    warm_up: int = 365,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    calibrated: bool = True,
) -> Evaluation:
    """Read trained models and data for them, and evaluate.

    Parameters
    ----------
    folders : sequence of Path
        Model folders, folders of trainings, or ensembles; each counts as one in the mean.
    file, attributes : Path
        Series and attributes.
    period, warm_up
        See :func:`evaluate`.
    ids : sequence of str, optional
        Basins; by default all of the data.
    reader : str, optional
        How data are read; by default as in the training of each model, or as CAMELS where that is not known.
    options : mapping of str to object, optional
        Arguments of the reader, in place of those of the training.
    calibrated : bool
        Give the quantiles of a single model that has a calibrated spread.

    Raises
    ------
    DmgError
        If anything cannot be read or does not fit together.
    """
    single = [(member, weight / len(folders)) for folder in folders for member, weight in members_of(model_folder_of(folder))]
    pairs = [read_for(folder, data_settings_of(folder, file, attributes, reader, options), ids) for folder, _ in single]
    models, data = [model for model, _ in pairs], [data for _, data in pairs]
    evaluation = evaluate(models, data, period, warm_up=warm_up, weights=[weight for _, weight in single])
    spread = read_spread(model_folder_of(folders[0])) if len(folders) == 1 and calibrated else None
    return evaluation if spread is None else with_spread(evaluation, spread)


def evaluate(
    models: Sequence[DeltaModel],
    data: Sequence[BasinData],
    period: tuple[str, str] | Period | None = None,
    *,
    warm_up: int = 365,
    weights: Sequence[float] | None = None,
) -> Evaluation:
    """Run models through a period, with days before it, and score the mean of their flows.

    Parameters
    ----------
    models : sequence of DeltaModel
        One or more.
    data : sequence of BasinData
        For each model the same basins and days, with the attributes that it takes.
    period : (str or datetime64, str or datetime64)
        First and last day that count; by default all of the data.
    warm_up : int
        Days before them, as far as the data have them, that only fill the stores.
    weights : sequence of float, optional
        Of each model in the mean; alike by default.

    Raises
    ------
    DmgError
        If days or attributes are not in the data, the data of the models are of other basins, or flow is no number.
    """
    basins = data[0] if period is None else data[0].period(*period)
    if any(one.ids != basins.ids for one in data):
        raise ConfigError("models can be evaluated together only on the same basins")
    first = int(np.searchsorted(data[0].dates, basins.dates[0]))
    before = min(warm_up, first)
    days = slice(first - before, first + len(basins.dates))
    runs = [_run(model, one, days, before) for model, one in zip(models, data, strict=True)]
    simulated = np.average([flow for flow, _ in runs], axis=0, weights=weights)
    shared = [name for name in runs[0][1] if all(name in parameters for _, parameters in runs)]
    parameters = {name: np.average([values[name] for _, values in runs], axis=0, weights=weights) for name in shared}
    columns = columns_of(basins.groups)
    pair = [side_by_side(values, list(columns.values())) for values in (simulated, basins.flow)]
    scores = {name: np.asarray(metric(*pair), np.float64) for name, metric in METRICS.items()}
    deviation = _deviation([flow for flow, _ in runs], simulated, weights) if len(runs) > 1 else None
    return Evaluation(basins, simulated, tuple(columns), scores, parameters, deviation, models=tuple(models))


def with_spread(evaluation: Evaluation, spread: Spread) -> Evaluation:
    """Add the quantiles that a calibrated spread gives, and their scores.

    Raises
    ------
    DmgError
        If the spread needs attributes or the spread of several models, and there are none.
    """
    values = dict(zip(evaluation.basins.attribute_names, evaluation.basins.attributes.T, strict=True))
    predictors = predictors_of(evaluation)
    lacking = [name for name in spread.predictors if name not in predictors]
    if lacking:
        raise ConfigError(f"the spread of the model needs {', '.join(lacking)}, which only an ensemble gives")
    quantiles = spread.of_flow(evaluation.simulated, spread.place(values), predictors)
    scores = scores_of_quantiles(quantiles, spread.levels, evaluation.simulated, evaluation.basins.flow)
    return replace(evaluation, scores={**evaluation.scores, **scores}, levels=spread.levels, quantiles=quantiles)


def predictors_of(evaluation: Evaluation) -> dict[str, FloatArray]:
    """Give what tells of the spread from day to day, by the names of a model's outputs: of an ensemble the members' deviation."""
    return {} if evaluation.deviation is None else {f"{TOTAL}{STD}": evaluation.deviation}


def _deviation(flows: Sequence[FloatArray], mean: FloatArray, weights: Sequence[float] | None) -> FloatArray:
    """Give the standard deviation (D, B) of the flows of several models as an ensemble does: of a sample, weighted as the mean is."""
    shares = np.full(len(flows), 1.0 / len(flows)) if weights is None else np.asarray(weights, np.float64)
    of_sample = 1.0 / (1.0 - float(np.sum(shares**2)))
    return np.asarray(np.sqrt(of_sample * np.average([(flow - mean) ** 2 for flow in flows], axis=0, weights=shares)))


def _run(model: DeltaModel, data: BasinData, days: slice, warm_up: int) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Flow (D, B) after the warm-up and parameters (B,), block by block."""
    data = with_inputs(data, model.settings.attributes)
    _tell_far_attributes(model, data)
    inputs = Inputs(**tensors_of(data, model.physics.process, torch.float64))
    model.eval()
    flows, parameters = [], []
    for start in range(0, len(data.ids), BLOCK):
        block = slice(start, start + BLOCK)
        with torch.no_grad():
            flows.append(inputs.run(model, model.settings.target, days, block, warm_up=warm_up).numpy())
        require_finite(flows[-1], model.settings.physics, data.ids[block], data.dates[days][warm_up:])
        parameters.append(model.mean_parameters(inputs.forcing[days, block], inputs.attributes[block], **inputs.site(block)))
    means = {name: np.concatenate([one[name].double().numpy() for one in parameters]) for name in parameters[0]}
    return np.concatenate(flows, axis=1), means


def _tell_far_attributes(model: DeltaModel, data: BasinData) -> None:
    """Log attributes far outside the training."""
    ranges = training_ranges(model.normalize_attributes)
    values = dict(zip(data.attribute_names, data.attributes.T, strict=True))
    for name, entries in far_outside(ranges, values, data.ids).items():
        LOGGER.warning("%s", ranges[name].tell(name, entries))


def respond(models: Sequence[DeltaModel], conditions: FloatArray, attributes: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Run models without a time axis under any conditions, such as along a response curve.

    Parameters
    ----------
    models : sequence of DeltaModel
        One or more; of several, means are given.
    conditions : ndarray, shape (N, F)
        Forcings in declared order.
    attributes : mapping of str to ndarray (N,)
        By name.

    Returns
    -------
    dict of str to ndarray (N,)
        All outputs of the process model.
    """
    with torch.no_grad():
        runs = [model.eval()(conditions[None], attributes)[0] for model in models]
    return {name: np.mean([run[name][0].double().numpy() for run in runs], axis=0) for name in runs[0]}


def read_for(folder: Path, settings: DataSettings, ids: Sequence[str] | None) -> tuple[DeltaModel, BasinData]:
    """Read a trained model and data for it.

    Raises
    ------
    DmgError
        If either cannot be read, or the data do not give what the model takes.
    """
    model = load_trained(folder)
    try:
        return model, read_data(settings, ids, model.settings.attributes)
    except AttributeTableError as error:
        raise AttributeTableError(f"{folder} cannot be run with these attributes: {error}") from error


def data_settings_of(
    folder: Path, file: Path, attributes: Path | None, reader: str | None = None, options: Mapping[str, Any] | None = None
) -> DataSettings:
    """Say how data for a trained model are read: as in its training, unless another reader is named.

    Parameters
    ----------
    folder : Path
        A model folder with the experiment that made it in it or beside it; without one, or if it learned at gauges, the reader is
        ``camels``.
    file, attributes : Path
        Where series and attributes are now.
    reader : str, optional
        In the registry of readers.
    options : mapping of str to object, optional
        Its arguments; they replace those of the training by name, where the reader is the same.

    Raises
    ------
    ConfigError
        If the experiment is wrong.
    """
    for place in (folder, folder.parent):
        if (place / EXPERIMENT_NAME).is_file():
            experiment = read_experiment(place / EXPERIMENT_NAME)
            experiment.import_plugins()
            if not isinstance(experiment.data, DataSettings):
                break
            learned = experiment.data.options if reader in {None, experiment.data.reader} else {}
            given = {**learned, **(options or {})}
            return DataSettings(file=file, attributes=attributes, reader=reader or experiment.data.reader, options=given)
    return DataSettings(file=file, attributes=attributes, reader=reader or "camels", options=dict(options or {}))


def write_scores(path: Path, ids: Sequence[str], scores: Mapping[str, FloatArray], head: str = "gauge_id") -> None:
    """Write a table with a row for each gauge, or what ``head`` says, whole or not at all; scores that are not known are empty."""
    with written_whole(path) as stream:
        lines = [[head, *scores]]
        for place, name in enumerate(ids):
            values = [float(of_all[place]) for of_all in scores.values()]
            lines.append([name, *("" if np.isnan(value) else f"{value:.6g}" for value in values)])
        stream.write("".join(",".join(line) + "\n" for line in lines).encode())
