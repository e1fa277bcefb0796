"""Results in a Zarr store, which many processes may write at a time, each the regions of its own catchments.

Format 2, which every reader knows, with the dimensions where xarray looks for them and all metadata in one place (consolidated).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.cf import ArrayForm, DatasetForm
from dmg_core.files import write_errors

_DIMENSIONS: Final = "_ARRAY_DIMENSIONS"


class ZarrStore:
    """A store whose arrays are there already.

    Parameters
    ----------
    path : Path
        The store, a folder.
    place : Path
        Where it will be, for messages.
    """

    def __init__(self, path: Path, place: Path) -> None:
        import zarr

        self._path, self._place = path, place
        self._group: Any = zarr.open_group(str(path), mode="r+", **_format_2())

    @classmethod
    def created(cls, path: Path, place: Path, form: DatasetForm, chunk: tuple[int, int]) -> ZarrStore:
        """Make a store.

        Parameters
        ----------
        path, place
            See the class.
        form : DatasetForm
            What is in it.
        chunk : tuple of int
            Catchments and times that share a piece. Processes that write at the same time must not share one.
        """
        import zarr

        with write_errors(place):
            zarr.open_group(str(path), mode="w-", **_format_2()).attrs.update(_plain(form.attributes))
            store = cls(path, place)
            shape = (form.sizes["catchment"], form.sizes["time"])
            for array in form.arrays:
                store._add(array, shape, tuple(min(size, most) for size, most in zip(shape, chunk, strict=True)))
        return store

    def __getitem__(self, name: str) -> Any:
        """Give an array, whose values are read when it is indexed."""
        return self._group[name]

    def write(self, block: Mapping[str, NDArray[np.generic]], catchments: slice, times: slice) -> None:
        """Write values, by name, each of shape (catchments, times), to where they belong."""
        with write_errors(self._place):
            for name, values in block.items():
                self._group[name][catchments, times] = values

    def add(self, array: ArrayForm) -> None:
        """Add an array that has its values."""
        with write_errors(self._place):
            self._add(array, (), ())

    def close(self) -> None:
        """Put all metadata into one place, when all arrays are there."""
        import zarr

        with write_errors(self._place):
            zarr.consolidate_metadata(str(self._path), **_format_2())

    def _add(self, array: ArrayForm, shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
        import numcodecs
        import zarr

        given = array.values
        settings: dict[str, Any] = (
            {"shape": shape, "chunks": chunk, "dtype": "f8", "fill_value": np.nan, "compressor": numcodecs.Blosc("zstd", clevel=1)}
            if given is None
            else {"shape": given.shape, "chunks": given.shape, "dtype": given.dtype, "fill_value": None, "compressor": None}
        )
        made: Any = zarr.create(store=str(self._path), path=array.name, **settings, **_format_2())
        made.attrs.update({_DIMENSIONS: list(array.dimensions), **array.attributes})
        if given is not None:
            made[...] = given


def _format_2() -> dict[str, Any]:
    """Say that format 2 is meant, to releases of zarr that know others."""
    import zarr

    return {} if zarr.__version__.startswith("2.") else {"zarr_format": 2}


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Give attributes as JSON takes them."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}
