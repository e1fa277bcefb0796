"""What outputs are called and drawn with, as the process models that are registered declare it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bmi_dmg.variables import DEPTH
from dmg_core.models import PROCESS_MODELS, Flux, ProcessModel, Store


@dataclass(frozen=True)
class Declared:
    """An output that has a title.

    Attributes
    ----------
    role : str
        Its name among the outputs of its model.
    title : str
        Short name for people.
    panel : str
        Title of the picture in which it is drawn; empty if in none.
    is_store : bool
        Whether it is what is held at the end of a step.
    is_snow : bool
        Whether it is the water that lies as snow.
    """

    role: str
    title: str
    panel: str = ""
    is_store: bool = False
    is_snow: bool = False


#: What the CF conventions call the water that lies as snow.
_SNOW = "lwe_thickness_of_surface_snow_amount"


def declared_outputs() -> dict[str, Declared]:
    """Give the outputs with a title by their names, in the order in which models declare them; of equal names that of the first model."""
    found: dict[str, Declared] = {}
    for name in PROCESS_MODELS:
        for one in _of(PROCESS_MODELS[name]):
            found.setdefault(one.role, one)
    return found


def _of(model: type[ProcessModel]) -> Iterator[Declared]:
    for flux in model.fluxes:
        if flux.title:
            yield from of_flux(flux)
    for store in model.stores:
        if store.title:
            yield Declared(store.output, store.title, _panel_of(store), is_store=True, is_snow=store.standard_name == _SNOW)


def of_flux(flux: Flux) -> Iterator[Declared]:
    """Give what a flux becomes among the outputs: what is routed, under its title, and what it was before."""
    if flux.routed:
        yield Declared(flux.routed_name, flux.title, _panel_of(flux))
        yield Declared(flux.name, f"{flux.title} before routing")
    else:
        yield Declared(flux.name, flux.title, _panel_of(flux), is_store=flux.at_end)


def _panel_of(one: Flux | Store) -> str:
    """Give the picture of a depth of water: no other quantity shares an axis with depths."""
    return one.panel if one.unit == DEPTH else ""
