"""An example of a model folder: δHBV 2.0, daily or hourly, with random weights, shaped so that its parameters are plausible.

The model has learned nothing. Its last layers' biases are set so that the parameters lie near those of a humid temperate catchment, and
its random weights let them vary modestly with attributes and weather.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from dmg_core.checkpoint import ModelSettings, write_checkpoint
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole
from dmg_core.models import PROCESS_MODELS, Parameter
from dmg_core.models.hbv import Hbv20
from dmg_core.models.hbv.parameters import TYPICAL, VARYING
from dmg_core.networks import AnnModel, LstmMlpModel, LstmModel

Array = NDArray[np.float64]

#: By steps per day: 10th and 90th percentile, mean and standard deviation of weather in a humid temperate climate (mm, °C, mm per step).
FORCINGS: Final = {
    1: {"P": (0.0, 8.5, 2.9, 6.5), "T": (-4.0, 23.0, 10.0, 10.0), "PET": (0.5, 5.5, 2.6, 2.0)},
    24: {"P": (0.0, 0.3, 0.12, 0.6), "T": (-4.0, 24.0, 10.0, 10.5), "PET": (0.0, 0.35, 0.11, 0.15)},
}

#: From the mean to the 90th percentile of a normal distribution, in standard deviations.
TO_P90: Final = 1.2816

#: Spread of the network's outputs before the sigmoid: among the components, and (roughly) with attributes or weather.
COMPONENT_SPREAD, INPUT_SPREAD = 0.5, 0.6

#: A small daily model.
SETTINGS: Final = ModelSettings(
    physics=Hbv20.name,
    network="LstmMlpModel",
    nmul=4,
    routing=True,
    nearzero=1e-5,
    dynamic=VARYING,
    forcings=tuple(forcing.name for forcing in Hbv20.forcings),
    attributes=tuple(ATTRIBUTES),
    log_norm=(),
    hidden_size=16,
    mlp_hidden_size=32,
)

LABEL: Final = """This model is an UNTRAINED EXAMPLE.

Its weights are random numbers, shaped so that the parameters are plausible for a humid temperate catchment. It has learned nothing
from observations, and its results say nothing about any real catchment. It shows the form of a model folder and lets the software run.
"""


def write_example_model(folder: Path, seed: int, settings: ModelSettings = SETTINGS) -> None:
    """Write the model folder, with a README.txt that says what it is.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    seed : int
        Of the weights.
    settings : ModelSettings
        Of an ``LstmMlpModel`` with routing.
    """
    weather = FORCINGS[PROCESS_MODELS[settings.physics].steps_per_day]
    attributes = {name: (mean - TO_P90 * std, mean + TO_P90 * std, mean, std) for name, (mean, std) in ATTRIBUTES.items()}
    write_checkpoint(folder, settings, {**weather, **attributes}, example_weights(seed, settings), epoch=0)
    with written_whole(folder / "README.txt") as stream:
        stream.write(LABEL.encode())


def example_weights(seed: int, settings: ModelSettings = SETTINGS) -> dict[str, torch.Tensor]:
    """Make the weights of the example.

    Parameters
    ----------
    seed : int
        Of the random numbers: the same seed gives the same weights.
    settings : ModelSettings
        Of an ``LstmMlpModel`` with routing.

    Returns
    -------
    dict of str to Tensor
        float32, by δMG's names.
    """
    rng = np.random.default_rng(seed)
    process = PROCESS_MODELS[settings.physics]
    dynamic, static = process.split(settings.dynamic)
    offsets = {
        "lstminv.linear_out.bias": output_bias(rng, dynamic, settings.nmul),
        "ann.h2o.bias": np.concatenate([output_bias(rng, static, settings.nmul), _fractions([process.route_a, process.route_b])]),
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in _network(settings).state_dict().items()}
    return {
        name: torch.from_numpy((offsets[name] if name in offsets else random_weights(rng, name, shape)).astype(np.float32))
        for name, shape in shapes.items()
    }


def _network(settings: ModelSettings) -> LstmMlpModel:
    """Network without weights, for the names and shapes.

    Raises
    ------
    ConfigError
        If the settings ask for another network.
    """
    if settings.mlp_hidden_size is None or not settings.routing:
        raise ConfigError(f"the example is an LstmMlpModel with routing, not {settings.network} with routing {settings.routing}")
    weather, traits, nmul = len(settings.forcings), len(settings.attributes), settings.nmul
    dynamic, static = PROCESS_MODELS[settings.physics].split(settings.dynamic)
    with torch.device("meta"):
        lstm = LstmModel(weather + traits, len(dynamic) * nmul, settings.hidden_size)
        return LstmMlpModel(lstm, AnnModel(traits, len(static) * nmul + 2, settings.mlp_hidden_size))


def random_weights(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    """Weights that keep the spread of what passes through them; no biases."""
    if len(shape) == 1:
        return np.zeros(shape)
    if name.startswith("ann.h2h"):
        # Seven random layers in a row would make similar catchments all alike; these hand on what the first one tells apart.
        return np.eye(shape[0], shape[1])
    spread = INPUT_SPREAD if name.endswith(("linear_out.weight", "ann.h2o.weight", ".9.weight")) else 1.0
    return rng.normal(0.0, spread / math.sqrt(shape[1]), shape)


def output_bias(rng: np.random.Generator, parameters: Iterable[Parameter], nmul: int) -> Array:
    """Biases of a last layer, parameter by parameter: the typical value in every component, give or take."""
    steps = np.linspace(-COMPONENT_SPREAD, COMPONENT_SPREAD, nmul)
    return np.concatenate([middle + rng.permutation(steps) for middle in _fractions(parameters)])


def _fractions(parameters: Iterable[Parameter]) -> Array:
    """Typical values as a network gives them before the sigmoid."""
    fractions = np.array([(TYPICAL[parameter.name] - parameter.low) / (parameter.high - parameter.low) for parameter in parameters])
    logits: Array = np.log(fractions / (1.0 - fractions))
    return logits
