from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg.preparing.hydrofabric_attributes import hydrofabric_attributes
from bmi_dmg.run_folder.hydrofabric import read_divides
from dmg_core.data import CATCHMENT_ATTRIBUTES, READERS, BasinData, catchment_attributes, read_camels
from dmg_core.data.climate_indices import INDICES
from dmg_core.errors import AttributeTableError

Make = Callable[..., BasinData]


def test_climate_comes_from_the_forcing(make_basins: Make) -> None:
    """Climate is that of the whole years of the forcing, places are those of the data, slope is that of the table."""
    data = make_basins()
    found = catchment_attributes(data)
    years = data.period("1999-10-01", "2001-09-29").forcing  # two years, 730 days
    assert tuple(found) == CATCHMENT_ATTRIBUTES
    np.testing.assert_allclose(found["p_mean"], years[..., 0].mean(axis=0))
    np.testing.assert_allclose(found["aridity"], years[..., 2].mean(axis=0) / years[..., 0].mean(axis=0))
    for name, values in {"elev_mean": data.elevation, "uparea": data.upstream_area, "latitude": data.latitude}.items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(found["slope_mean"], [20.0, 30.0, 40.0])


def test_flow_does_not_matter(make_basins: Make) -> None:
    """Attributes are the same whatever the flow."""
    found, other = (catchment_attributes(make_basins(flow=np.full((800, 3), flow))) for flow in (1.0, np.nan))
    for name in CATCHMENT_ATTRIBUTES:
        np.testing.assert_array_equal(found[name], other[name])


def test_slope_and_a_year_are_needed(make_basins: Make) -> None:
    """Without a slope, or a year of weather, there is an error that says so."""
    with pytest.raises(AttributeTableError, match="slope_mean is missing; the data have aridity, slope"):
        catchment_attributes(make_basins(attribute_names=("aridity", "slope")))
    with pytest.raises(AttributeTableError, match="need a year of weather; the data have 300 days"):
        catchment_attributes(make_basins(days=300))


def test_the_reader_gives_them(camels_files: tuple[Path, Path]) -> None:
    """The reader for NextGen gives those asked for, in that order, computed from the forcing and not from the table."""
    read = READERS["camels_nextgen"]
    data = read(*camels_files, ["11381500"], ("latitude", "p_mean"))
    assert data.attribute_names == ("latitude", "p_mean")
    whole = read_camels(camels_files[0], ids=["11381500"])
    assert data.attributes[0, 0] == 40.4
    assert data.attributes[0, 1] == pytest.approx(whole.forcing[:365, 0, 0].mean())
    assert read(*camels_files).attribute_names == CATCHMENT_ATTRIBUTES


def test_the_reader_refuses_what_no_folder_has(camels_files: tuple[Path, Path]) -> None:
    """An attribute that not every NextGen folder gives is refused by name."""
    with pytest.raises(AttributeTableError, match="not every NextGen folder gives geol_porosity; it gives p_mean"):
        READERS["camels_nextgen"](*camels_files, None, ("p_mean", "geol_porosity"))


def test_a_run_folder_has_them_all(shared: Path) -> None:
    """What the hydrofabric of a run folder and its forcing give, latitude from its geometry, has all these names."""
    geopackage = shared / "data" / "ngiab_cat-2861474" / "config" / "cat-2861474_subset.gpkg"
    divides = read_divides(geopackage)
    there = {*hydrofabric_attributes(geopackage, divides.ids), *INDICES} | ({"latitude"} if divides.latitude is not None else set())
    assert set(CATCHMENT_ATTRIBUTES) <= there
