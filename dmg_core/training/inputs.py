"""What a model is run with: series and attributes of basins as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dmg_core.data import BasinData
from dmg_core.model import DeltaModel


@dataclass(frozen=True, eq=False)
class Inputs:
    """Series and attributes of B basins over T days.

    Attributes
    ----------
    forcing : Tensor, shape (T, B, 3)
        In the precision of the process equations.
    attributes : Tensor of float64, shape (B, A)
        In the order of the network's inputs.
    upstream_area, elevation : Tensor, shape (B,)
        km² and m.
    """

    forcing: Tensor
    attributes: Tensor
    upstream_area: Tensor
    elevation: Tensor

    def streamflow(self, model: DeltaModel, days: Any, basins: Any, *, warm_up: int) -> Tensor:
        """Run some days of some basins.

        Parameters
        ----------
        model : DeltaModel
            As it is, in training or in use.
        days, basins : index
            Rows and columns of the forcing: a slice of days for all of the basins, or days (D, b) for b basins.
        warm_up : int
            Days at the beginning that only fill the stores.

        Returns
        -------
        Tensor, shape (D - warm_up, b)
            mm/d.
        """
        return model.streamflow(
            self.forcing[days, basins], self.attributes[basins], self.upstream_area[basins], self.elevation[basins], warm_up=warm_up
        )


def tensors_of(data: BasinData, dtype: torch.dtype) -> dict[str, Tensor]:
    """Give the fields of :class:`Inputs` for basins.

    Parameters
    ----------
    data : BasinData
        With the network's attributes, in its order.
    dtype : torch.dtype
        Precision of the process equations.
    """
    return {
        "forcing": torch.from_numpy(data.forcing).to(dtype),
        "attributes": torch.from_numpy(data.attributes),
        "upstream_area": torch.from_numpy(data.upstream_area).to(dtype),
        "elevation": torch.from_numpy(data.elevation).to(dtype),
    }
