"""What tells one trained model from another."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from dmg_core.errors import StateError
from dmg_core.model_form import KeptForm

if TYPE_CHECKING:
    from dmg_core.model import DeltaModel


@dataclass(frozen=True)
class Identity:
    """What model something belongs to.

    Parameters
    ----------
    description : dict
        Name, sizes and settings of the model, for messages.
    digest : str
        Hash of weights, statistics and all settings that shape results.
    """

    description: dict[str, Any]
    digest: str

    def with_part(self, name: str, digest: str) -> Identity:
        """Give the identity of this model with something more that shapes results."""
        whole = hashlib.sha256(f"{self.digest}\0{name}\0{digest}".encode()).hexdigest()
        return Identity({**self.description, name: digest[:12]}, whole)

    def require(self, other: Identity, where: str) -> None:
        """Refuse the state of another model.

        Raises
        ------
        StateError
            If ``other`` is not this model; what differs is named.
        """
        if other == self:
            return
        keys = sorted({*self.description, *other.description})
        differences = [
            f"{key} is {other.description.get(key)!r}, expected {self.description.get(key)!r}"
            for key in keys
            if self.description.get(key) != other.description.get(key)
        ]
        what = "; ".join(differences) or "its weights or statistics are others"
        raise StateError(f"{where}: the state belongs to another model: {what}")


def identity_of(model: DeltaModel | KeptForm) -> Identity:
    """Describe a model and hash all that shapes its results."""
    if isinstance(model, KeptForm):
        return model.identity
    physics, settings = model.physics, model.settings
    description = {
        "physics": settings.physics,
        "network": settings.network,
        "nmul": physics.nmul,
        "routing": physics.routing.steps > 1,
        **{name: value for name, value in vars(physics.process).items() if not name.startswith("_")},
        "dynamic": [parameter.name for parameter in physics.dynamic_parameters],
        "forcings": list(settings.forcings),
        "attributes": list(settings.attributes),
        "upstream_area": settings.upstream_area,
        "elevation": settings.elevation,
        **{attribute.name: settings.attribute_of(attribute.name) for attribute in physics.process.attributes},
        "hidden_size": settings.hidden_size,
        "dtype": model.precision.name,
    }
    if settings.delay_bound is not None:
        description["delay_bound"] = attrs.asdict(settings.delay_bound)
    if settings.tape is not None:
        description["equations"] = settings.tape
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for normalizer in (model.normalize_forcing, model.normalize_attributes):
        for statistic in (normalizer.mean, normalizer.std, normalizer.log):
            digest.update(np.ascontiguousarray(statistic).data)
    for name, weights in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weights.detach().cpu().numpy()).data)
    return Identity(description, digest.hexdigest())
