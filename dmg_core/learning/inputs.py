"""What a model is run with: series and attributes of basins as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dmg_core.data import BasinData
from dmg_core.model import DeltaModel
from dmg_core.models import ProcessModel


@dataclass(frozen=True, eq=False)
class Inputs:
    """Series and attributes of B basins over T days.

    Attributes
    ----------
    forcing : Tensor, shape (T, B, F)
        Forcings of the process model, in the precision of its equations.
    attributes : Tensor of float64, shape (B, A)
        In the order of the network's inputs.
    upstream_area, elevation : Tensor, shape (B,)
        km² and m.
    """

    forcing: Tensor
    attributes: Tensor
    upstream_area: Tensor
    elevation: Tensor

    def run(self, model: DeltaModel, output: str, days: Any, basins: Any, *, warm_up: int) -> Tensor:
        """Run some days of some basins.

        Parameters
        ----------
        model : DeltaModel
            As it is, in training or in use.
        output : str
            Which of its outputs.
        days, basins : index
            Rows and columns of the forcing: a slice of days for all of the basins, or days (D, b) for b basins.
        warm_up : int
            Days at the beginning that only fill the stores.

        Returns
        -------
        Tensor, shape (D - warm_up, b)
            Per day.
        """
        return model.series(output, self.forcing[days, basins], self.attributes[basins], warm_up=warm_up, **self.site(basins))

    def site(self, basins: Any) -> dict[str, Tensor]:
        """Give what equations may read of some basins, by symbol."""
        return {"upstream_area": self.upstream_area[basins], "elevation": self.elevation[basins]}


def tensors_of(data: BasinData, process: ProcessModel | type[ProcessModel], dtype: torch.dtype) -> dict[str, Tensor]:
    """Give the fields of :class:`Inputs` for basins.

    Parameters
    ----------
    data : BasinData
        With the network's attributes, in its order.
    process : ProcessModel
        Whose forcings are taken.
    dtype : torch.dtype
        Precision of the process equations.

    Raises
    ------
    ConfigError
        If the data have not all of its forcings.
    """
    return {
        "forcing": torch.from_numpy(data.forcings(forcing.name for forcing in process.forcings)).to(dtype),
        "attributes": torch.from_numpy(data.attributes),
        "upstream_area": torch.from_numpy(data.upstream_area).to(dtype),
        "elevation": torch.from_numpy(data.elevation).to(dtype),
    }
