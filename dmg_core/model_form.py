"""What an engine needs of a model to step it; a :class:`~dmg_core.model.DeltaModel` is one, with torch, a kept one is another, without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dmg_core.checkpoint.config import ModelSettings
from dmg_core.networks.kernels import LstmArrays
from dmg_core.normalization import Normalizer
from dmg_core.physics.form import PhysicsForm

if TYPE_CHECKING:
    from dmg_core.engine.identity import Identity


class ModelForm(Protocol):
    """A model without what is needed for static parameters alone."""

    @property
    def settings(self) -> ModelSettings:
        """What the model is made of."""

    @property
    def physics(self) -> PhysicsForm:
        """Process model, components and routing."""

    @property
    def normalize_forcing(self) -> Normalizer:
        """Turns weather into network inputs."""

    @property
    def normalize_attributes(self) -> Normalizer:
        """Turns attributes of catchments into network inputs."""

    @property
    def static_from_series(self) -> bool:
        """Whether static parameters are the network's outputs at the end of a series."""

    @property
    def precision(self) -> np.dtype[Any]:
        """Of the network."""

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Widths of the parts of the network's state, by name."""

    @property
    def dynamic_columns(self) -> list[int]:
        """Which outputs of the part that is stepped are dynamic parameters."""

    @property
    def lstm_arrays(self) -> LstmArrays | None:
        """Weights of the part that is stepped; None where it is no LSTM."""

    def eval(self) -> Any:
        """Be used, not trained."""


@dataclass(frozen=True, eq=False)
class KeptForm:
    """The form of a model as it was kept when the model was read; see :class:`ModelForm`.

    Attributes
    ----------
    identity : Identity
        Of the whole model.
    """

    settings: ModelSettings
    physics: PhysicsForm
    normalize_forcing: Normalizer
    normalize_attributes: Normalizer
    static_from_series: bool
    precision: np.dtype[Any]
    state_sizes: Mapping[str, int]
    dynamic_columns: list[int]
    lstm_arrays: LstmArrays | None
    identity: Identity

    def eval(self) -> KeptForm:
        """Do nothing: it cannot be trained."""
        return self


def needed_attributes(model: ModelForm) -> tuple[str, ...]:
    """Names of the attributes a catchment must have: the network's, then what the equations need besides."""
    named = [model.settings.attribute_of(attribute.name) for attribute in model.physics.process.attributes]
    return tuple(dict.fromkeys([*model.settings.attributes, *named]))
