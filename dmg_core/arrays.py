"""The arrays of an engine: what must survive a restart (:mod:`dmg_core.state`), and what follows from weights and attributes.

Row ``i`` of every array belongs to catchment ``i``. Arrays grow by doubling, so rows keep their numbers but not their addresses: whoever
keeps a reference to an array must fetch it again after :meth:`CatchmentArrays.grow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dmg_core.model import DeltaModel
from dmg_core.networks.kernels import input_layer_of
from dmg_core.physics.equations import INITIAL_STORE, stores_of
from dmg_core.physics.hbv import ROUTED
from dmg_core.physics.kernels import SITE_DTYPE, STEP_BUDGET, parameter_columns, stores_dtype

Array = npt.NDArray[Any]


#: Running sums of the water budget: what the steps add up, and what was put into the stores from outside.
BUDGET = (*STEP_BUDGET, "increments")

#: Arrays whose rows are the state of a catchment.
STATE_FIELDS = ("h", "c", "stores", "in_transit", "budget", "initial_storage")

#: Arrays that belong to the state of a catchment whose static parameters come from a series.
SERIES_FIELDS = ("parameters", "hydrograph")


@dataclass
class CatchmentArrays:
    """State and constants of ``N`` catchments; capacity may exceed the number in use.

    Attributes
    ----------
    h, c : ndarray, shape (N, H)
        Hidden and cell state of the LSTM, of the network's precision.
    stores : ndarray of float64, shape (N, nmul, S)
        SP, MW, SM, SUZ, SLZ and what more the member of the family has, mm.
    in_transit : ndarray of float64, shape (N, 3, L - 1)
        Routed water by step of arrival, mm.
    budget : ndarray of float64, shape (N, 6)
        Running sums of :data:`BUDGET`, mm.
    initial_storage : ndarray of float64, shape (N,)
        Water held when the sums were zero, mm.
    parameters : ndarray of float64, shape (N, nmul, P)
        Physical parameters; columns of dynamic ones hold those of the last step.
    dynamic_change : ndarray of float64, shape (N, n_dynamic, 2)
        Factor and offset by which dynamic parameters are changed (:mod:`dmg_core.calibration`).
    hydrograph : ndarray of float64, shape (N, L)
        Unit hydrograph.
    fixed : ndarray, shape (N, I)
        Part of the LSTM's input layer, ``I`` wide, that the attributes give, of the network's precision.
    attributes : ndarray of float64, shape (N, A)
        In the order of the model's settings.
    site : structured ndarray, shape (N,)
        Upstream area and what follows from it and the elevation.
    settled : ndarray of bool, shape (N,)
        Whether static parameters are known.
    """

    h: Array
    c: Array
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
    def allocate(cls, model: DeltaModel, capacity: int) -> CatchmentArrays:
        """Arrays for ``capacity`` catchments that start from nothing."""
        physics, hidden = model.physics, model.lstm.cell.hidden
        length, nmul, stores = physics.hydrograph_steps, physics.nmul, len(stores_of(physics.variant)._fields)
        precision = np.dtype(str(model.dtype).removeprefix("torch."))
        return cls(
            h=np.zeros((capacity, hidden), precision),
            c=np.zeros((capacity, hidden), precision),
            stores=np.full((capacity, nmul, stores), INITIAL_STORE),
            in_transit=np.zeros((capacity, len(ROUTED), length - 1)),
            budget=np.zeros((capacity, len(BUDGET))),
            initial_storage=np.full(capacity, INITIAL_STORE * stores),
            parameters=np.ones((capacity, nmul, len(parameter_columns(physics.variant)))),
            dynamic_change=np.tile((1.0, 0.0), (capacity, len(physics.dynamic_parameters), 1)),
            hydrograph=np.zeros((capacity, length)),
            fixed=np.zeros((capacity, model.lstm.cell.w_ih.shape[1]), precision),
            attributes=np.zeros((capacity, len(model.settings.attributes))),
            site=np.zeros(capacity, SITE_DTYPE),
            settled=np.zeros(capacity, np.bool_),
        )

    @property
    def capacity(self) -> int:
        """Number of rows."""
        return len(self.stores)

    def grow(self, model: DeltaModel, capacity: int) -> None:
        """Make room for ``capacity`` catchments, keeping the present ones."""
        larger = CatchmentArrays.allocate(model, capacity)
        present = self.capacity
        for name, array in vars(larger).items():
            array[:present] = getattr(self, name)
            setattr(self, name, array)

    def place(self, model: DeltaModel, rows: slice, attributes: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Note what network and equations need to know of catchments besides their parameters.

        Parameters
        ----------
        model : DeltaModel
            The model.
        rows : slice
            N catchments that start from nothing.
        attributes : mapping of str to ndarray (N,)
            All that the model needs.
        """
        values = np.stack([attributes[name] for name in model.settings.attributes], axis=-1)
        traits = model.normalize_attributes(torch.from_numpy(values)).to(model.dtype)
        self.attributes[rows], self.fixed[rows] = values, input_layer_of(model.lstm, traits.numpy())
        if model.static_from_series:
            return
        area, height = (torch.from_numpy(attributes[name]) for name in (model.settings.upstream_area, model.settings.elevation))
        site = model.physics.site(len(area), torch.empty(0, dtype=torch.float64), area, height)
        for name, column in site._asdict().items():
            self.site[name][rows] = column[:, 0].numpy()

    def named_stores(self, model: DeltaModel) -> Array:
        """Structured view (N, nmul) of the stores."""
        return self.stores.view(stores_dtype(model.physics.variant))[..., 0]

    def storage(self, rows: slice) -> npt.NDArray[np.float64]:
        """Water held by each of ``rows``, under way included, mm."""
        held: npt.NDArray[np.float64] = self.stores[rows].sum(-1).mean(-1) + self.in_transit[rows].sum((1, 2))
        return held

    def water(self, rows: slice) -> dict[str, npt.NDArray[np.float64]]:
        """Give the running sums of the budget of each of ``rows``, and the change of storage since they were zero, mm."""
        sums = dict(zip(BUDGET, self.budget[rows].T.copy(), strict=True))
        return {**sums, "storage_change": self.storage(rows) - self.initial_storage[rows]}
