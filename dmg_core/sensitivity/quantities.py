"""What can be changed to see what flow does, and what a change of 1 is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dmg_core.model import DeltaModel

Kind = Literal["forcing", "parameter", "store", "attribute"]

#: What a change of 1 is: the value itself once more, the whole range, a unit, or a standard deviation among the basins of the training.
ITSELF: Final = "itself"
RANGE: Final = "range"
DEVIATION: Final = "deviation"


@dataclass(frozen=True)
class Quantity:
    """Something that flow depends on.

    Attributes
    ----------
    kind : str
        ``forcing``: weather of all days, as the network and the equations see it; ``parameter``: of all components and days; ``store``:
        content at the beginning of the period; ``attribute``: as the network sees it.
    name : str
        Its name, or the symbol of a forcing.
    change : str
        What a change of 1 is: ``itself`` (all of it once more) where it cannot be negative, ``range`` of another parameter, ``deviation``
        (among the basins of the training) of an attribute, or ``1`` and a unit.
    """

    kind: Kind
    name: str
    change: str

    @property
    def label(self) -> str:
        """Its name for people: what a change of 1 is stands behind it, where that is not the value itself."""
        return self.name if self.change == ITSELF else f"{self.name} (per {self.change})"


def quantities_of(model: DeltaModel) -> tuple[Quantity, ...]:
    """Give all that the flow of a model depends on: forcings, parameters, those of the routing, stores, attributes of the network."""
    physics, log = model.physics, model.normalize_attributes.log
    forcings = [Quantity("forcing", one.name, _change(one.least, one.unit)) for one in physics.process.forcings]
    tables = (*physics.dynamic_parameters, *physics.static_parameters, *physics.routing.parameters)
    parameters = [Quantity("parameter", one.name, ITSELF if one.low >= 0.0 else RANGE) for one in tables]
    stores = [Quantity("store", one.output, _change(one.least, one.unit)) for one in physics.process.stores]
    names = zip(model.settings.attributes, log, strict=True)
    attributes = [Quantity("attribute", name, ITSELF if logarithmic else DEVIATION) for name, logarithmic in names]
    return (*forcings, *parameters, *stores, *attributes)


def _change(least: float | None, unit: str) -> str:
    return f"1 {unit}" if least is None or least < 0.0 else ITSELF
