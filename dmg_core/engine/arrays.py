"""The arrays of an engine: what must survive a restart (:mod:`dmg_core.engine.state`), and what follows from weights and attributes.

Row ``i`` of every array belongs to catchment ``i``. Arrays grow by doubling, so rows keep their numbers but not their addresses: whoever
keeps a reference to an array must fetch it again after :meth:`CatchmentArrays.grow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from dmg_core.deferred import torch
from dmg_core.model_form import ModelForm
from dmg_core.models import ProcessModel
from dmg_core.networks.kernels import input_layer_of

Array = npt.NDArray[Any]

#: Sum of what was put into the stores from outside, the last one of a budget.
INCREMENTS = "increments"

#: Arrays whose rows are, besides those of the network, the state of a catchment.
STATE_FIELDS = ("stores", "in_transit", "budget", "initial_storage")

#: Arrays that belong to the state of a catchment whose static parameters come from a series.
SERIES_FIELDS = ("parameters", "hydrograph")


def budget_columns(model: ModelForm) -> tuple[str, ...]:
    """Name the running sums of the balance: what the steps add up, and what was put into the stores from outside."""
    return (*model.physics.layout.budget, INCREMENTS)


@dataclass
class CatchmentArrays:
    """State and constants of ``N`` catchments; capacity may exceed the number in use.

    Attributes
    ----------
    network : dict of str to ndarray, shape (N, ·)
        State of the network by the names it gives its parts, of its precision.
    stores : ndarray of float64, shape (N, nmul, S)
        Contents of the stores, in declared order.
    in_transit : ndarray of float64, shape (N, R, L - 1)
        Routed fluxes by step of arrival.
    budget : ndarray of float64, shape (N, B)
        Running sums of :func:`budget_columns`.
    initial_storage : ndarray of float64, shape (N,)
        What was held when the sums were zero.
    parameters : ndarray of float64, shape (N, nmul, P)
        Physical parameters, in declared order; columns of dynamic ones hold those of the last step.
    dynamic_change : ndarray of float64, shape (N, n_dynamic, 2)
        Factor and offset by which dynamic parameters are changed (:mod:`dmg_core.engine.calibration`).
    hydrograph : ndarray of float64, shape (N, L)
        Weights of the routing.
    fixed : ndarray, shape (N, I)
        Part of the LSTM's input layer, ``I`` wide, that the attributes give, of the network's precision; no columns where the network is
        of another kind.
    attributes : ndarray of float64, shape (N, A)
        In the order of the model's settings.
    site : ndarray of float64, shape (N, ·)
        What the equations read of a catchment (:meth:`dmg_core.models.ProcessModel.site`).
    settled : ndarray of bool, shape (N,)
        Whether static parameters are known.
    """

    network: dict[str, Array]
    stores: Array
    in_transit: Array
    budget: Array
    initial_storage: Array
    parameters: Array
    dynamic_change: Array
    hydrograph: Array
    fixed: Array
    attributes: Array
    site: Array
    settled: Array

    @classmethod
    def allocate(cls, model: ModelForm, capacity: int) -> CatchmentArrays:
        """Arrays for ``capacity`` catchments that start from nothing."""
        physics, layout, lstm, precision = model.physics, model.physics.layout, model.lstm_arrays, model.precision
        constants = [1.0 if one.constant is None else one.constant for one in physics.process.parameters]
        return cls(
            network={name: np.zeros((capacity, size), precision) for name, size in model.state_sizes.items()},
            stores=np.tile(layout.initial, (capacity, physics.nmul, 1)),
            in_transit=np.zeros((capacity, len(layout.routed), physics.routing.steps - 1)),
            budget=np.zeros((capacity, len(budget_columns(model)))),
            initial_storage=np.full(capacity, layout.initial[layout.balanced].sum()),
            parameters=np.tile(np.array(constants, np.float64), (capacity, physics.nmul, 1)),
            dynamic_change=np.tile((1.0, 0.0), (capacity, len(physics.dynamic_parameters), 1)),
            hydrograph=np.zeros((capacity, physics.routing.steps)),
            fixed=np.zeros((capacity, 0 if lstm is None else lstm.w_ih.shape[1]), precision),
            attributes=np.zeros((capacity, len(model.settings.attributes))),
            site=np.zeros((capacity, len(layout.site))),
            settled=np.zeros(capacity, np.bool_),
        )

    @property
    def capacity(self) -> int:
        """Number of rows."""
        return len(self.stores)

    @property
    def named(self) -> dict[str, Array]:
        """All arrays by name, those of the network among them."""
        return {**self.network, **{name: array for name, array in vars(self).items() if name != "network"}}

    def state(self, *, with_parameters: bool) -> dict[str, Array]:
        """Arrays whose rows are the state of a catchment, by name; with parameters where these come from a series."""
        names = (*STATE_FIELDS, *SERIES_FIELDS) if with_parameters else STATE_FIELDS
        return {**self.network, **{name: getattr(self, name) for name in names}}

    def grow(self, model: ModelForm, capacity: int) -> None:
        """Make room for ``capacity`` catchments, keeping the present ones."""
        larger = CatchmentArrays.allocate(model, capacity)
        for name, array in self.named.items():
            larger.named[name][: self.capacity] = array
        vars(self).update(vars(larger))

    def clear(self, model: ModelForm, row: int) -> None:
        """Let a row be that of a catchment that starts from nothing."""
        fresh = CatchmentArrays.allocate(model, 1).named
        for name, array in self.named.items():
            array[row] = fresh[name][0]

    def place(self, model: ModelForm, rows: slice, attributes: Mapping[str, npt.NDArray[np.float64]], site: Array | None = None) -> None:
        """Note what network and equations need to know of catchments besides their parameters.

        Parameters
        ----------
        model : ModelForm
            The model.
        rows : slice
            N catchments that start from nothing.
        attributes : mapping of str to ndarray (N,)
            All that the model needs.
        site : ndarray, shape (N, ·), optional
            What the equations read of them, if that is known already.
        """
        settings, process = model.settings, model.physics.process
        count = rows.stop - rows.start
        values = np.stack([attributes[name] for name in settings.attributes], axis=-1) if settings.attributes else np.empty((count, 0))
        self.attributes[rows] = values
        if model.lstm_arrays is not None:
            traits = model.normalize_attributes.normalized(values).astype(model.precision)
            self.fixed[rows] = input_layer_of(model.lstm_arrays, traits)
        if site is not None:
            self.site[rows] = site
        elif process.attributes:
            known = {one.name: attributes[settings.attribute_of(one.name)] for one in process.attributes}
            for place, column in enumerate(_site_of(process, known)):
                self.site[rows, place] = column

    def storage(self, model: ModelForm, rows: slice) -> npt.NDArray[np.float64]:
        """Give what each of ``rows`` holds that counts in the balance, in transit included."""
        balanced, stores = model.physics.layout.balanced, self.stores[rows]
        counted = stores if balanced.all() else stores[..., balanced]
        held: npt.NDArray[np.float64] = counted.sum(-1).mean(-1) + self.in_transit[rows].sum((1, 2))
        return held

    def balance(self, model: ModelForm, rows: slice) -> dict[str, npt.NDArray[np.float64]]:
        """Give the running sums of the budget of each of ``rows``, and the change of storage since they were zero."""
        sums = dict(zip(budget_columns(model), self.budget[rows].T.copy(), strict=True))
        return {**sums, "storage_change": self.storage(model, rows) - self.initial_storage[rows]}


def _site_of(process: ProcessModel, attributes: Mapping[str, Array]) -> Iterable[Array]:
    """Give what the equations read of catchments; equations that make something of the attributes do it in torch."""
    if process.reads_attributes_alone:
        return attributes.values()
    known = {name: torch.from_numpy(values) for name, values in attributes.items()}
    return [column.numpy() for column in process.site(SimpleNamespace(**known)).values()]
