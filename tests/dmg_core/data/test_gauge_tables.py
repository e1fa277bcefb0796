"""Tests of dmg_core.data.gauge_tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmg_core.data.gauge_tables import read_membership
from dmg_core.errors import NetworkError

UNITS = "unit_id,area_km2,downstream\nwb-1,3,wb-3\nwb-2,11,wb-3\nwb-3,5,wb-5\nwb-4,40,wb-5\nwb-5,1,\n"
GAUGES = "gauge_id,unit_id,area_km2\n01557500,wb-3,19.5\n02,wb-5,\n"
PAIRS = "gauge_id,unit_id\n02,wb-4\n01557500,wb-1\n02,wb-1\n"


def write(folder: Path, units: str = UNITS, gauges: str = GAUGES, pairs: str | None = None) -> tuple[Path, Path, Path | None]:
    """Write tables."""
    texts = {"units.csv": units, "gauges.csv": gauges, "pairs.csv": pairs}
    for name, text in texts.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8-sig")
    return folder / "units.csv", folder / "gauges.csv", None if pairs is None else folder / "pairs.csv"


def test_a_network_in_tables_gives_the_units_of_gauges(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Units of a gauge are the one it stands in and all that drain into it; ids keep their leading zeros."""
    found = read_membership(*write(tmp_path))
    assert found.gauges == ("01557500", "02")
    assert [found.units[u] for u in found.members] == ["wb-1", "wb-2", "wb-3", "wb-1", "wb-2", "wb-3", "wb-4", "wb-5"]
    assert found.gauge_areas.tolist() == [19.0, 60.0]
    assert not caplog.records


def test_pairs_in_a_table_count_as_they_stand(tmp_path: Path) -> None:
    """A table of pairs says which units a gauge has, whatever drains where; columns may have the names of other tables."""
    units = UNITS.replace("unit_id,area_km2,downstream", "COMID,unitarea,order")
    found = read_membership(*write(tmp_path, units, "STAID\n01557500\n02\n", PAIRS))
    assert [(found.gauges[g], found.units[u]) for g, u in zip(found.pair_gauges, found.members, strict=True)] == [
        ("01557500", "wb-1"),
        ("02", "wb-1"),
        ("02", "wb-4"),
    ]


def test_areas_that_disagree_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """More than a tenth between the area of a gauge and that of its units is logged with both."""
    read_membership(*write(tmp_path, gauges=GAUGES.replace("19.5", "38")))
    (record,) = caplog.records
    assert "gauge 01557500 drains 38 km², but its units have 19 km² (-50 %)" in record.getMessage()


@pytest.mark.parametrize(
    ("units", "gauges", "pairs", "message"),
    [
        (UNITS.replace("wb-5,1,", "wb-5,1,wb-1"), GAUGES, None, "units.csv: water runs in a loop: wb-1 -> wb-3 -> wb-5 -> wb-1"),
        (UNITS + "wb-2,1,\n", GAUGES, None, "units.csv: unit_id must name each catchment once, but wb-2"),
        (UNITS.replace("wb-4,40", "wb-4,0"), GAUGES, None, "units.csv: unit wb-4 has an area of 0 km²"),
        (UNITS.replace("wb-4,40", "wb-4,"), GAUGES, None, "units.csv: unit wb-4 has an area of nan km²"),
        (UNITS.replace("wb-4,40", "wb-4,forty"), GAUGES, None, "units.csv: line 5, area_km2 is 'forty'"),
        (UNITS, GAUGES.replace("wb-3", "wb-9"), None, "units.csv: gauge 01557500 stands in unit wb-9, which is outside the network"),
        (UNITS, GAUGES.replace("wb-3", ""), None, "gauges.csv: gauge 01557500 has no unit_id"),
        (UNITS, GAUGES.replace("19.5", "-19.5"), None, "gauges.csv: gauge 01557500 has an area of -19.5 km²"),
        (UNITS, "gauge_id,unit_id\n", None, "gauges.csv: there are no gauges"),
        (UNITS, GAUGES, PAIRS.replace("01557500,wb-1\n", ""), "pairs.csv: gauge 01557500 has no units"),
        (UNITS, GAUGES, PAIRS + "02,wb-1\n", "pairs.csv: gauge 02: unit wb-1 stands there twice"),
        (UNITS, GAUGES, PAIRS + "02,wb-8\n", "pairs.csv: gauge 02 has the unit wb-8, which is not among the 5 units"),
        (UNITS, GAUGES, PAIRS + "03,wb-1\n", "pairs.csv: gauge 03 is not among the 2 gauges"),
        (UNITS.replace("area_km2", "extent"), GAUGES, None, "units.csv: there is no column area_km2 or areasqkm or unitarea"),
        (UNITS.replace("wb-4,40,wb-5", "wb-4,40"), GAUGES, None, "units.csv: line 5 has 2 cells, expected 3"),
        (UNITS.replace("downstream", "areasqkm"), GAUGES, PAIRS, "units.csv: area_km2 and areasqkm both are the column area_km2"),
    ],
)
def test_what_is_wrong_with_tables_is_named(tmp_path: Path, units: str, gauges: str, pairs: str | None, message: str) -> None:
    """File, id, line and value stand in the message."""
    with pytest.raises(NetworkError) as caught:
        read_membership(*write(tmp_path, units, gauges, pairs))
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(message)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """A file that is not there is an error with its name."""
    _, gauges, _ = write(tmp_path)
    with pytest.raises(NetworkError, match=r"nowhere.csv: cannot be read as CSV"):
        read_membership(tmp_path / "nowhere.csv", gauges)
