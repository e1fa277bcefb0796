"""An ensemble in the place of a model: what an engine asks of one, without weights of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch

from dmg_core.checkpoint import ModelSettings
from dmg_core.ensembles.declaration import Ensemble
from dmg_core.model import DeltaModel
from dmg_core.networks import NoNetwork, SplitNetwork
from dmg_core.normalization import Normalizer
from dmg_core.physics import Physics

#: What is told of the network of an ensemble.
NETWORK: Final = "those of the members"


class MembersOwn(SplitNetwork):
    """The network of an ensemble: none, because members have their own."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.unstepped = NoNetwork(dtype)

    @property
    def stepped(self) -> NoNetwork:
        """Nothing is."""
        return self.unstepped


class EnsembleModel(DeltaModel):
    """The model of an ensemble's engine: its declaration, and the attributes of all members.

    Parameters
    ----------
    members : mapping of str to DeltaModel
        By name.

    Attributes
    ----------
    declaration : Ensemble
        What it reads and gives.
    """

    def __init__(self, members: Mapping[str, DeltaModel]) -> None:
        process = Ensemble({name: member.physics.process for name, member in members.items()})
        attributes = tuple(dict.fromkeys(name for member in members.values() for name in member.needed_attributes))
        first = next(iter(members.values()))
        settings = ModelSettings(
            physics=process.name,
            network=NETWORK,
            nmul=1,
            routing=False,
            nearzero=first.settings.nearzero,
            dynamic=(),
            forcings=tuple(forcing.name for forcing in process.forcings),
            attributes=attributes,
            log_norm=(),
            hidden_size=0,
            mlp_hidden_size=None,
            pet_method=next((one.settings.pet_method for one in members.values() if one.settings.pet_method is not None), None),
            target=process.main,
        )
        nothing = Normalizer((), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_))
        super().__init__(settings, MembersOwn(first.dtype), Physics(process, routing=False), nothing, nothing)
        self.declaration = process
        self._from_series = any(member.static_from_series for member in members.values())

    @property
    def static_from_series(self) -> bool:
        """Whether a member's static parameters come from a series."""
        return self._from_series
