"""How much signatures of flow change with all that it depends on, basin by basin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.data import BasinData
from dmg_core.data.samples import SampleData
from dmg_core.errors import ConfigError
from dmg_core.learning.data.material import Inputs, tensors_of, with_inputs
from dmg_core.learning.evaluation import data_settings_of, read_for
from dmg_core.learning.finite_flow import require_finite
from dmg_core.learning.settings.experiment import Period
from dmg_core.learning.settings.start import model_folder_of
from dmg_core.model import DeltaModel
from dmg_core.sensitivity.changes import changed_flow
from dmg_core.sensitivity.quantities import Quantity, quantities_of
from dmg_core.sensitivity.signatures import SIGNATURES

#: Basins run together; bounds the memory, some 4 MB for each and six years.
BLOCK: Final = 32
#: The signature whose change is told in days, not as a share.
TIMING: Final = "timing"

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What flow in a period depends on, in B basins.

    Attributes
    ----------
    basins : BasinData
        The basins on these days.
    quantities : tuple of Quantity
        What is changed, Q of them.
    signatures : dict of str to ndarray (B,)
        Mean, high and low flow, mm/d, and timing, days, of the unchanged model.
    elasticities : dict of str to ndarray (B, Q)
        Relative change of a signature for a change of a quantity by 1, both small: -0.5 of mean flow to a parameter says that flow falls by
        half a percent where the parameter grows by one. Of timing the change in days. NaN where flow is zero.
    """

    basins: BasinData
    quantities: tuple[Quantity, ...]
    signatures: Mapping[str, FloatArray]
    elasticities: Mapping[str, FloatArray]

    def ranking(self, signature: str) -> list[tuple[Quantity, float]]:
        """Give quantities with the median over basins of the size of their elasticities, the largest first; none that is zero."""
        values = self.elasticities[signature]
        known = np.isfinite(values).all(axis=1)
        sizes = np.median(np.abs(values[known]), axis=0) if known.any() else np.zeros(len(self.quantities))
        order = np.argsort(-sizes, kind="stable")
        return [(self.quantities[place], float(sizes[place])) for place in order if sizes[place] > 0.0]


def analyse_folder(
    folder: Path,
    file: Path,
    attributes: Path | None,
    period: tuple[str, str] | Period | None = None,
    *,
    ids: Sequence[str] | None = None,
    warm_up: int = 365,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Sensitivity:
    """Read a trained model and data for it, and analyse; arguments are those of :func:`dmg_core.learning.evaluation.evaluate_folders`.

    Raises
    ------
    DmgError
        If anything cannot be read or does not fit together, or the model is an ensemble or has no time axis.
    """
    settings = data_settings_of(folder, file, attributes, reader, options)
    return analyse(*read_for(model_folder_of(folder), settings, ids), period, warm_up=warm_up)


def analyse(model: DeltaModel, data: BasinData, period: tuple[str, str] | Period | None = None, *, warm_up: int = 365) -> Sensitivity:
    """Give the sensitivities of a model's flow in a period.

    Parameters
    ----------
    model : DeltaModel
        The model.
    data : BasinData
        Basins, with the attributes that it takes.
    period : (str or datetime64, str or datetime64)
        First and last day of the signatures; by default all of the data.
    warm_up : int
        Days before them, as far as the data have them. All but stores is changed there, too.

    Raises
    ------
    ConfigError
        If the data are samples without a time axis, or do not have the period.
    SolutionError
        If flow is no number.
    """
    if isinstance(data, SampleData):
        raise ConfigError("samples have no flow over time whose mean, floods and timing could be analysed")
    basins = data if period is None else data.period(*period)
    first = int(np.searchsorted(data.dates, basins.dates[0]))
    before = min(warm_up, first)
    days = slice(first - before, first + len(basins.dates))
    inputs = Inputs(**tensors_of(with_inputs(data, model.settings.attributes), model.physics.process, torch.float64))
    model.eval()
    blocks = [slice(start, start + BLOCK) for start in range(0, len(data.ids), BLOCK)]
    found = [_analyse(model, inputs, data, days, block, before) for block in blocks]
    signatures, derivatives = ({name: np.concatenate([one[part][name] for one in found]) for name in SIGNATURES} for part in (0, 1))
    elasticities = {name: values if name == TIMING else _relative(values, signatures[name]) for name, values in derivatives.items()}
    return Sensitivity(basins, quantities_of(model), signatures, elasticities)


def _analyse(
    model: DeltaModel, inputs: Inputs, data: BasinData, days: slice, block: slice, warm_up: int
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Give signatures (b,) of some basins, and their derivatives (b, Q) to changes."""
    weather, attributes = inputs.forcing[days, block], inputs.attributes[block]
    changes = torch.zeros((weather.shape[1], len(quantities_of(model))), dtype=torch.float64, requires_grad=True)
    flow = changed_flow(model, weather, attributes, changes, warm_up=warm_up, **inputs.site(block))
    require_finite(flow.detach().numpy(), model.settings.physics, data.ids[block], data.dates[days][warm_up:])
    values, derivatives = {}, {}
    for name, signature in SIGNATURES.items():
        value = signature(flow)
        (derivative,) = torch.autograd.grad(value.sum(), changes, retain_graph=True)  # basins know nothing of each other
        values[name], derivatives[name] = value.detach().numpy(), derivative.numpy()
    return values, derivatives


def _relative(derivatives: FloatArray, values: FloatArray) -> FloatArray:
    positive = np.where(values > 0.0, values, np.nan)
    return np.asarray(derivatives / positive[:, None])
