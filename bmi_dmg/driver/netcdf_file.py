"""Results in a NetCDF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.cf import ArrayForm, DatasetForm
from dmg_core.files import write_errors


class NetCDFFile:
    """A file that is written piece by piece.

    Parameters
    ----------
    path : Path
        The file.
    place : Path
        Where it will be, for messages.
    form : DatasetForm
        What is in it.
    chunk : tuple of int
        Catchments and times that share a piece of the file, at most.
    """

    def __init__(self, path: Path, place: Path, form: DatasetForm, chunk: tuple[int, int]) -> None:
        import netCDF4

        self._place = place
        self._chunk = [min(size, most) for size, most in zip((form.sizes["catchment"], form.sizes["time"]), chunk, strict=True)]
        with write_errors(place):
            self._dataset: Any = netCDF4.Dataset(str(path), "w", format="NETCDF4")
            self._dataset.setncatts(form.attributes)
            for name, size in form.sizes.items():
                self._dataset.createDimension(name, size)
            for array in form.arrays:
                self._add(array)

    def write(self, block: Mapping[str, NDArray[np.generic]], catchments: slice, times: slice) -> None:
        """Write values, by name, each of shape (catchments, times), to where they belong."""
        with write_errors(self._place):
            for name, values in block.items():
                self._dataset[name][catchments, times] = values

    def add(self, array: ArrayForm) -> None:
        """Add an array."""
        with write_errors(self._place):
            self._add(array)

    def close(self) -> None:
        """Close the file."""
        with write_errors(self._place):
            self._dataset.close()

    def _add(self, array: ArrayForm) -> None:
        if array.values is None:
            storage = {"compression": "zlib", "complevel": 1, "chunksizes": self._chunk}
            variable = self._dataset.createVariable(array.name, "f8", array.dimensions, **storage)
            variable.setncatts(array.attributes)
            return
        is_text = array.values.dtype.kind == "U"
        variable = self._dataset.createVariable(array.name, str if is_text else array.values.dtype, array.dimensions)
        variable.setncatts(array.attributes)
        variable[:] = array.values.astype(object) if is_text else array.values
