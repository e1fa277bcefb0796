"""Users' own tables of leaf gas exchange: units in three places, converted and checked, and what is wrong told by line and column."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from dmg_core.data import READERS
from dmg_core.data.leaf_gas_exchange import read_leaf_gas_exchange
from dmg_core.data.unit_tables import UnitTable, plain
from dmg_core.errors import AttributeTableError, ConfigError, DmgError, ForcingError

HEADER = (
    "PFT,Pathway,Tleaf (degC),Tair (K),Patm [kPa],PARin (µmol m⁻² s⁻¹),CO2S (ppm),VPD (hPa),BLCond (mmol/m2/s),g1 (kPa^0.5),A (umol/m^2/s)"
)
ROWS = ("oak,C3,25.5,298.15,101.3,1000,390,12,2000,4.0,12.5", "maize,C4,30,303.15,99,1500,400,15,3000,1.6,38")


def written(folder: Path, *lines: str, name: str = "leaves.csv") -> Path:
    """Write a table."""
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_table_is_read_in_the_models_units(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """K, kPa, hPa and mmol become °C, Pa, kPa and mol; what need not be there is taken as an open leaf on wet soil, and told."""
    caplog.set_level(logging.INFO)
    names = ["plant_type.oak", "plant_type.maize", "c4", "g1"]
    data = READERS.call("leaf_gas_exchange", written(tmp_path, HEADER, *ROWS), None, None, names, options={}, where="data")
    assert data.ids == ("line-2", "line-3")
    assert data.groups == ("oak", "maize")
    found = dict(zip(data.forcing_names, data.forcing[0].T, strict=True))
    for name, expected in {
        "leaf_temperature": [25.5, 30.0],
        "air_temperature": [25.0, 30.0],
        "pressure": [101300.0, 99000.0],
        "par": [1000.0, 1500.0],
        "co2": [390.0, 400.0],
        "vpd": [1.2, 1.5],
        "boundary_conductance": [2.0, 3.0],
        "lai": [1.0, 1.0],
        "wetness_3": [1.0, 1.0],
    }.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(data.attributes, [[1, 0, 0, 4.0], [0, 1, 1, 1.6]])
    np.testing.assert_array_equal(data.flow, [[12.5, 38.0]])
    assert "wetness_1 (taken as 1)" in caplog.text


def test_units_stand_in_a_row_or_beside_the_reader(tmp_path: Path) -> None:
    """A row of units, and options, say the same as the header; semicolons and tabs separate as well."""
    bare = "PFT,Pathway,Tleaf,Tair,Patm,PARin,CO2S,VPD,BLCond,g1,A"
    units = {"Tleaf": "degC", "Tair": "K", "Patm": "kPa", "PARin": "umol m-2 s-1", "CO2S": "ppm", "VPD": "hPa", "BLCond": "mmol m-2 s-1"}
    units |= {"g1": "kPa0.5", "A": "umol m-2 s-1"}
    row = ",".join(["", "", *units.values()])
    names = ("c4", "g1")
    expected = read_leaf_gas_exchange(written(tmp_path, HEADER, *ROWS), attributes=names)
    in_row = read_leaf_gas_exchange(written(tmp_path, bare, row, *ROWS, name="row.csv"), attributes=names)
    beside = read_leaf_gas_exchange(written(tmp_path, bare, *ROWS, name="bare.csv"), attributes=names, units=units)
    lines = [line.replace(",", ";") for line in (bare, row, *ROWS)]
    semicolons = read_leaf_gas_exchange(written(tmp_path, *lines, name="semicolons.csv"), attributes=names)
    for found in (in_row, beside, semicolons):
        np.testing.assert_array_equal(found.forcing, expected.forcing)
        np.testing.assert_array_equal(found.attributes, expected.attributes)
    assert in_row.ids == ("line-3", "line-4")


def test_vpd_follows_from_humidity(tmp_path: Path) -> None:
    """At one temperature the deficit is the share of saturation that is missing: 2.339 kPa at 20 °C (FAO-56, table 2.3)."""
    header = HEADER.replace("VPD (hPa)", "RH (%)")
    row = "oak,C3,20,293.15,101.3,1000,390,40,2000,4.0,12.5"
    data = read_leaf_gas_exchange(written(tmp_path, header, row), attributes=())
    np.testing.assert_allclose(data.forcings(["vpd"]), 0.6 * 2.339, rtol=1e-3)


def test_columns_of_other_names_and_traits(tmp_path: Path) -> None:
    """A column goes by what is said, and any other column of numbers can be an input of the network."""
    header, row = HEADER.replace("PARin", "LightIn") + ",leaf_n", ROWS[0] + ",1.9"
    data = read_leaf_gas_exchange(written(tmp_path, header, row), attributes=["leaf_n"], columns={"par": "LightIn"})
    np.testing.assert_array_equal(data.attributes, [[1.9]])
    np.testing.assert_array_equal(data.forcings(["par"]), [[[1000.0]]])


def test_rows_without_an_observation_are_passed_over_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The others keep their lines."""
    data = read_leaf_gas_exchange(written(tmp_path, HEADER, ROWS[0].replace("12.5", "NA"), ROWS[1]), attributes=())
    assert data.ids == ("line-3",)
    assert "1 of 2 rows have no net_assimilation" in caplog.text


def test_conductance_can_be_what_was_observed(tmp_path: Path) -> None:
    """In mol, whatever the table has."""
    file = written(tmp_path, HEADER + ",gs (mmol m-2 s-1)", ROWS[0] + ",250")
    data = read_leaf_gas_exchange(file, attributes=(), observed="stomatal_conductance")
    assert data.observed_name == "stomatal_conductance"
    np.testing.assert_allclose(data.flow, [[0.25]], rtol=1e-12)


def test_one_wetness_stands_for_all_layers(tmp_path: Path) -> None:
    """In percent, too."""
    data = read_leaf_gas_exchange(written(tmp_path, HEADER + ",SMC (%)", ROWS[0] + ",35"), attributes=())
    np.testing.assert_allclose(data.forcings([f"wetness_{n}" for n in range(1, 6)]), 0.35, rtol=1e-12)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), r"leaves\.csv: is empty"),
        ((HEADER,), r"leaves\.csv: there are no rows"),
        ((HEADER, ROWS[0] + ",7"), "line 2 has 12 cells, expected 11"),
        ((HEADER.replace("Tair", "Tleaf"), ROWS[0]), "columns stand there more than once: Tleaf"),
        ((HEADER.replace(" (degC)", ""), ROWS[0]), r"column Tleaf has no unit; write 'Tleaf \(degC\)'"),
        ((HEADER.replace("(degC)", "(Pa)"), ROWS[0]), "column Tleaf is in 'Pa', expected degC or one of"),
        ((HEADER, ROWS[0].replace("25.5", "warm")), "line 2, Tleaf is 'warm', expected a number"),
        ((HEADER, ROWS[0].replace("25.5", "")), "line 2 has no leaf_temperature; fill it in"),
        ((HEADER, ROWS[0].replace("25.5", "inf")), "line 2, Tleaf is inf degC, expected -60 to 70"),
        ((HEADER, ROWS[0].replace("101.3", "101300")), r"line 2, Patm is 1\.013e\+08 Pa, expected 30000 to 120000; is its unit right"),
        ((HEADER, ROWS[0].replace("C3", "CAM")), "line 2, Pathway is 'CAM', expected C3 or C4"),
        ((HEADER, ROWS[0].replace("oak", "")), "line 2 has no PFT"),
        ((HEADER.replace("PFT", "kind"), ROWS[0]), "no column plant_type; it has kind"),
        ((HEADER.replace("Pathway", "kind"), ROWS[0]), r"no column pathway \(C3 or C4\)"),
        ((HEADER.replace("CO2S (ppm)", "carbon (ppm)"), ROWS[0]), r"no column co2 \(ppm\); known names are co2, co2s"),
        ((HEADER.replace("A (umol", "B (umol"), ROWS[0]), "no column net_assimilation, which is learned from"),
        ((HEADER + ",photo (umol m-2 s-1)", ROWS[0] + ",1"), r"A and photo both are net_assimilation; keep one"),
        ((HEADER, ROWS[0].replace("12.5", "")), "no row has a value of net_assimilation"),
        ((HEADER + ",r1", ROWS[0] + ",0.9"), r"line 2: roots_1 to roots_5 add up to 1\.7, expected 1"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_column(lines: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """Nothing is read of a table that is wrong anywhere."""
    with pytest.raises(ForcingError, match=message):
        read_leaf_gas_exchange(written(tmp_path, *lines), attributes=("c4",))


def test_unknown_types_names_and_files_are_told(tmp_path: Path) -> None:
    """What the network does not know, options that fit nothing, and files that cannot be read."""
    file = written(tmp_path, HEADER, *ROWS)
    with pytest.raises(AttributeTableError, match=r"plant types maize are none of the attributes; add plant_type\.maize"):
        read_leaf_gas_exchange(file, attributes=["plant_type.oak"])
    with pytest.raises(AttributeTableError, match="no column 'Tlaef'; did you mean 'Tleaf'"):
        read_leaf_gas_exchange(file, attributes=["Tlaef"])
    with pytest.raises(ConfigError, match="there is no quantity 'pra'; did you mean 'par'"):
        read_leaf_gas_exchange(file, columns={"pra": "PARin"})
    with pytest.raises(ConfigError, match=r"data\.columns\.par: .* has no column 'PARim'; did you mean 'PARin'"):
        read_leaf_gas_exchange(file, columns={"par": "PARim"})
    with pytest.raises(ForcingError, match=r"units: there is no column 'Tleef'; did you mean 'Tleaf'"):
        read_leaf_gas_exchange(file, units={"Tleef": "K"})
    with pytest.raises(ForcingError, match="column Tleaf is in 'degC' by its header, and in 'K' by units"):
        read_leaf_gas_exchange(file, units={"Tleaf": "K"})
    with pytest.raises(ConfigError, match=r"data\.observed is 'gs'"):
        read_leaf_gas_exchange(file, observed="gs")
    for given in ("degC", {"Tleaf": 3}, ["Tleaf"]):
        with pytest.raises(ConfigError, match=r"data\.units is .*, expected names and texts"):
            read_leaf_gas_exchange(file, units=given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="takes attributes from columns"):
        read_leaf_gas_exchange(file, tmp_path / "attributes.csv")
    with pytest.raises(ForcingError, match=r"none\.csv: cannot be read as CSV"):
        read_leaf_gas_exchange(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DmgError, match=r"binary\.csv: cannot be read as CSV"):
        read_leaf_gas_exchange(tmp_path / "binary.csv")


def test_ids_are_those_of_the_table(tmp_path: Path) -> None:
    """They choose rows; one that stands there twice is told by its lines."""
    header = HEADER + ",id"
    data = read_leaf_gas_exchange(written(tmp_path, header, ROWS[0] + ",a", ROWS[1] + ",b"), None, ["b"], ())
    assert data.ids == ("b",)
    with pytest.raises(ForcingError, match="line 3"):
        read_leaf_gas_exchange(written(tmp_path, header, ROWS[0] + ",a", ROWS[1] + ",a"), attributes=())


@pytest.mark.parametrize(
    "unit", ["umol m-2 s-1", "µmol m⁻² s⁻¹", "umol/m2/s", "μmol/m^2/s", "umol m**-2 s**-1", "µmol·m-2·s-1", "umol m^-2 s^-1"]
)
def test_units_are_spelled_in_many_ways(unit: str) -> None:
    """All are one."""
    assert plain(unit) == "umol m-2 s-1"


def test_a_row_of_text_is_no_row_of_units(tmp_path: Path) -> None:
    """A sample whose cells are all empty or words is told as such, not taken for units."""
    table = UnitTable(written(tmp_path, "a (Pa),b", "x,y"), {})
    assert table.lines == [2]
