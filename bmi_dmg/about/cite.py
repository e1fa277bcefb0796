"""The papers behind a model: its equations, its network, the data it learned from, and what runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dmg_core import citations
from dmg_core.checkpoint import ModelSettings, members_of
from dmg_core.citations import Citation
from dmg_core.errors import DmgError
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import EXPERIMENT_NAME, read_experiment
from dmg_core.learning.settings.start import model_folder_of, read_start
from dmg_core.models import PROCESS_MODELS

PET: Final = {"hargreaves": citations.HARGREAVES_1985, "penman_monteith": citations.ALLEN_1998}
#: Data by the reader of the experiment.
_CAMELS: Final = (citations.NEWMAN_2015, citations.ADDOR_2017, citations.THORNTON_1997)
DATA: Final = dict.fromkeys(("camels", "camels_text", "camels_nextgen"), _CAMELS)
LOSSES: Final = {"nse_batch": (citations.KRATZERT_2019,)}


def citations_of(folder: Path, *, assimilation: bool = False) -> list[Citation]:
    """Give the publications behind a model folder, each once.

    Parameters
    ----------
    folder : Path
        A model folder, that of an ensemble, or the folder of a training.
    assimilation : bool
        Whether observed flow was assimilated.

    Returns
    -------
    list of Citation
        Equations, network, evapotranspiration, data and loss as far as they are known, framework.

    Raises
    ------
    CheckpointError
        If there is no model.
    """
    found = [each for member, _ in members_of(model_folder_of(folder)) for each in _of_model(member)]
    experiment = _experiment_of(folder)
    if experiment is not None:
        found += [*DATA.get(getattr(experiment.data, "reader", ""), ()), *LOSSES.get(experiment.loss.name, ())]
    if assimilation:
        found.append(citations.LE_DIMET_1986)
    return list(dict.fromkeys([*found, citations.NEXTGEN, citations.HUTTON_2020]))


def _of_model(folder: Path) -> list[Citation]:
    """Give the publications behind equations, network and evapotranspiration of one model."""
    settings = read_start(folder).settings
    halves = (settings,) if isinstance(settings, ModelSettings) else (settings.daily, settings.hourly)
    found = [each for half in halves for each in PROCESS_MODELS[half.physics].citations]
    if any("Lstm" in half.network for half in halves):
        found.append(citations.HOCHREITER_1997)
    return found + [PET[half.pet_method] for half in halves if half.pet_method in PET]


def _experiment_of(folder: Path) -> Experiment | None:
    """Find the experiment of a training in its folder, the model folder's, or the one above; one that is no longer right tells nothing."""
    file = next((place / EXPERIMENT_NAME for place in (folder, folder.parent) if (place / EXPERIMENT_NAME).is_file()), None)
    if file is None:
        return None
    try:
        return read_experiment(file)
    except DmgError:
        return None
