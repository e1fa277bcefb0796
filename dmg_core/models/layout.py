"""What follows from the declaration of a process model: its outputs, its balance, and the places of all quantities in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final

import numpy as np
import numpy.typing as npt

from dmg_core.deferred import torch
from dmg_core.errors import ConfigError, DmgError
from dmg_core.models.declaration import check_declaration
from dmg_core.models.process_model import Balance, Flux, ProcessModel

#: Outputs of every model with routed fluxes: their sum after routing, and before.
TOTAL: Final = "streamflow"
UNROUTED_TOTAL: Final = "unrouted_streamflow"

#: How a kind of term counts in the balance.
SIGNS: Final[dict[Balance, float]] = {"in": 1.0, "exchange": 1.0, "out": -1.0, "clipping": -1.0}

#: Forcings that are outputs, too: they are often computed on the way from what is given.
_GIVEN_BACK: Final = ("PET",)


@dataclass(frozen=True)
class Layout:
    """Names and places of the quantities of a process model.

    Attributes
    ----------
    outputs : tuple of str
        All outputs of a run: sums of the routed fluxes, these after routing, forcings that are given back, fluxes, stores.
    budget : dict of str to float
        Sums of the balance that each step adds to, by the names of forcings and outputs, with the signs they count with. Routed fluxes
        count together, when they arrive.
    routed : tuple of Flux
        Fluxes that go through the routing.
    given_back : dict of str to int
        Forcings among the outputs, by their name there, with their places.
    site : tuple of str
        What :meth:`~dmg_core.models.ProcessModel.site` gives, in its order.
    initial : ndarray of float64, shape (S,)
        Stores of a model that starts from nothing.
    balanced : ndarray of bool, shape (S,)
        Which stores count in the balance.
    """

    outputs: tuple[str, ...]
    budget: dict[str, float]
    routed: tuple[Flux, ...]
    given_back: dict[str, int]
    site: tuple[str, ...]
    initial: npt.NDArray[np.float64]
    balanced: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, model: ProcessModel) -> Layout:
        """Derive the layout of a process model.

        Raises
        ------
        ConfigError
            If its declaration makes no sense, or two of its outputs have one name.
        """
        check_declaration(model)
        routed = tuple(flux for flux in model.fluxes if flux.routed)
        given_back = {forcing.label: place for place, forcing in enumerate(model.forcings) if forcing.name in _GIVEN_BACK}
        outputs = (
            *((TOTAL, UNROUTED_TOTAL) if routed else ()),
            *(flux.routed_name for flux in routed),
            *given_back,
            *(flux.name for flux in model.fluxes),
            *(store.output for store in model.stores),
        )
        twice = sorted({name for name in outputs if outputs.count(name) > 1})
        if twice:
            raise ConfigError(f"process model {model.name}: outputs need names of their own; found twice: {', '.join(twice)}")
        return cls(
            outputs=outputs,
            budget=_budget(model, routed),
            routed=routed,
            given_back=given_back,
            site=_site_names(model),
            initial=np.array([store.initial for store in model.stores], np.float64),
            balanced=np.array([store.balance for store in model.stores], np.bool_),
        )

    def places(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Give the places of some outputs.

        Raises
        ------
        ConfigError
            If there is no such output; what is wrong and what there is are named.
        """
        unknown = [name for name in names if name not in self.outputs]
        if unknown:
            raise ConfigError(f"unknown outputs {', '.join(unknown)}; there are {', '.join(self.outputs)}")
        return np.array([self.outputs.index(name) for name in names], np.int64)


def _budget(model: ProcessModel, routed: tuple[Flux, ...]) -> dict[str, float]:
    kinds: dict[Balance, list[str]] = {"in": [], "exchange": [], "out": [], "clipping": []}
    for forcing in model.forcings:
        if forcing.enters:
            kinds["in"].append(forcing.label)
    for flux in model.fluxes:
        if flux.balance and not (flux.routed and flux.balance == "out"):
            kinds[flux.balance].append(flux.name)
    if any(flux.balance == "out" for flux in routed):
        kinds["out"].append(TOTAL)
    return {name: SIGNS[kind] for kind, names in kinds.items() for name in names}


def _site_names(model: ProcessModel) -> tuple[str, ...]:
    if model.reads_attributes_alone:
        return tuple(attribute.name for attribute in model.attributes)
    if model.site_names is not None:
        return model.site_names
    one = {attribute.name: torch.ones(1, dtype=torch.float64) for attribute in model.attributes}
    try:
        return tuple(model.site(SimpleNamespace(**one)))
    except DmgError:
        raise
    except Exception as error:
        raise ConfigError(
            f"process model {type(model).__name__}: site fails ({type(error).__name__}: {error}); "
            f"it reads attributes as a.name, of which there are {', '.join(one) or 'none'}, and returns tensors by name"
        ) from error
