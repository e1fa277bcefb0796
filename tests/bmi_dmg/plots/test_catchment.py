from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from bmi_dmg.driver.run import run
from bmi_dmg.plots import plot_catchment, plot_run
from bmi_dmg.results import water_budget
from dmg_core.errors import ConfigError

PANELS = ["Precipitation", "Runoff", "Snow", "Soil water", "Groundwater", "Evapotranspiration"]


@pytest.fixture
def observed(finished: Any, tmp_path: Path) -> Path:
    """Observed flow of cat-2: 1.25 times what was simulated, with a gap."""
    flow = 1.25 * finished.daily["streamflow"][1]
    lines = [f"{np.datetime64('2020-01-30') + day},{'' if day == 5 else format(value, '.17g')}" for day, value in enumerate(flow)]
    path = tmp_path / "flow.csv"
    path.write_text("\n".join(["time,cat-2[mm d-1]", *lines]))
    return path


def panel(figure: Figure, title: str) -> Any:
    """The axis with a title."""
    return next(axis for axis in figure.axes if axis.get_title(loc="left") == title)


def table(figure: Figure) -> list[tuple[str, str]]:
    """Label and value of the figures beside the panels."""
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    return list(zip(texts[::2], texts[1::2], strict=True))


def test_all_panels_show_the_numbers_of_the_run(finished: Any, tmp_path: Path, drawn: list[Figure]) -> None:
    """Each output stands in its panel, by day, and rain hangs from the top."""
    png = plot_catchment(finished.folder, tmp_path / "cat-2.png", "cat-2")
    assert imread(png).std() > 0
    assert [axis.get_title(loc="left") for axis in drawn[0].axes[:6]] == PANELS
    for title, roles in {
        "Runoff": ["baseflow", "streamflow"],
        "Snow": ["swe", "meltwater"],
        "Soil water": ["soil_moisture"],
        "Groundwater": ["upper_zone", "lower_zone"],
        "Evapotranspiration": ["pet", "aet"],
    }.items():
        lines = panel(drawn[0], title).lines
        assert len(lines) == len(roles)
        for line, role in zip(lines, roles, strict=True):
            np.testing.assert_allclose(line.get_ydata(), finished.daily[role][1], rtol=1e-6)
    rain = panel(drawn[0], "Precipitation")
    assert rain.get_ylim()[0] > rain.get_ylim()[1] == 0.0
    heights = np.unique(rain.collections[0].get_paths()[0].vertices[:, 1])
    np.testing.assert_allclose(heights, np.unique([0.0, *finished.daily["precipitation"][1]]), rtol=1e-6)


def test_the_duration_curve_falls_through_all_flows(finished: Any, tmp_path: Path, drawn: list[Figure]) -> None:
    """Flow number k of n, from the largest, is exceeded in k / (n + 1) of the time."""
    plot_catchment(finished.folder, tmp_path / "cat-2.png", "cat-2")
    line = panel(drawn[0], "Flow duration").lines[0]
    np.testing.assert_allclose(line.get_xdata(), 100 * np.arange(1, 71) / 71)
    np.testing.assert_allclose(line.get_ydata(), np.sort(finished.daily["streamflow"][1])[::-1], rtol=1e-9)


def test_the_budget_stands_beside(finished: Any, tmp_path: Path, drawn: list[Figure]) -> None:
    """Gains less losses and what is stored leave nothing unexplained."""
    plot_catchment(finished.folder, tmp_path / "cat-2.png", "cat-2")
    lines = dict(table(drawn[0]))
    assert lines["+ Precipitation"] == f"{finished.daily['precipitation'][1, 1:].sum():.1f}"
    assert lines["− Runoff"] == f"{finished.daily['streamflow'][1, 1:].sum():.1f}"
    assert lines["− Δ Snow"] == f"{finished.daily['swe'][1, -1] - finished.daily['swe'][1, 0]:.1f}"
    assert lines["= unexplained"] == "0.0"


def test_no_label_runs_into_its_value(finished: Any, tmp_path: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a line of the budget is called ends before its number begins, in the longest case, too."""
    monkeypatch.setattr(water_budget, "IN_TRANSIT", water_budget.IN_TRANSIT_AND_FIRST)
    plot_catchment(finished.folder, tmp_path / "cat-2.png", "cat-2")
    (figures,) = (axis.texts for axis in drawn[0].axes if axis.texts)
    boxes = [text.get_window_extent() for text in figures]
    assert any("first step" in label.get_text() for label in figures[::2])
    assert all(label.x1 < value.x0 for label, value in zip(boxes[::2], boxes[1::2], strict=True) if value.width > 0)


def test_observed_flow_is_judged(finished: Any, observed: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    """Both flows are drawn and compared where both are known: a bias of -20 % is one."""
    plot_catchment(finished.folder, tmp_path / "cat-2.png", "cat-2", observed=observed)
    assert [len(panel(drawn[0], title).lines) for title in ("Runoff", "Flow duration")] == [3, 2]
    lines = dict(table(drawn[0]))
    assert lines["Bias"] == "-20.0 %"
    assert float(lines["Kling–Gupta efficiency"]) == pytest.approx(1 - np.sqrt(0.2**2 + 0.2**2), abs=0.005)


def test_a_catchment_without_gauge_is_drawn_without(finished: Any, observed: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    """Where others are gauged, one that is not has no comparison."""
    plot_catchment(finished.folder, tmp_path / "cat-1.png", "cat-1", observed=observed)
    assert "Bias" not in dict(table(drawn[0]))


def test_what_a_run_lacks_is_left_out(make_run: Callable[..., Path], recorded: ModuleType, tmp_path: Path, drawn: list[Figure]) -> None:
    """A module with nothing but runoff has two panels, and the rest of its budget names what it does not tell."""
    result = run(make_run(hours=5), progress=False)
    plot_catchment(result.dataset.parents[1], tmp_path / "few.svg", "cat-1")
    titles = [axis.get_title(loc="left") for axis in drawn[0].axes]
    assert titles[:3] == ["Precipitation", "Runoff", "Flow duration"]
    assert len(panel(drawn[0], "Runoff").lines[0].get_ydata()) == 5
    text = " ".join(ET.parse(tmp_path / "few.svg").getroot().itertext())
    assert "rest *" in text
    assert "Soil water" in text


def test_a_flow_that_is_always_nothing_is_drawn(write_finished: Callable[..., Path], tmp_path: Path) -> None:
    """A dry catchment has a picture too; a logarithmic axis could not show it."""
    name = "land_surface_water__runoff_depth"
    folder = write_finished(tmp_path / "dry", datetime(2020, 1, 1), {name: np.zeros((1, 72))}, np.zeros((1, 72)))
    assert imread(plot_catchment(folder, tmp_path / "dry.png", "cat-1")).std() > 0


def test_one_picture_or_a_folder_of_them(finished: Any, tmp_path: Path, drawn: list[Figure]) -> None:
    """One catchment named gives its panels, several the overview, a folder the panels of each."""
    assert plot_run(finished.folder, tmp_path / "one.png", catchments=["cat-2"]) == [tmp_path / "one.png"]
    assert panel(drawn[-1], "Soil water")
    assert plot_run(finished.folder, tmp_path / "all.png") == [tmp_path / "all.png"]
    assert drawn[-1].get_suptitle().startswith("Hydrographs")
    paths = plot_run(finished.folder, tmp_path / "folder")
    assert [path.name for path in paths] == ["cat-1.png", "cat-2.png", "cat-10.png"]
    assert all(path.is_file() for path in paths)


def test_unknown_catchments_and_formats_are_told(finished: Any, tmp_path: Path) -> None:
    """Nothing is written then."""
    with pytest.raises(ConfigError, match="no catchment cat-99"):
        plot_run(finished.folder, tmp_path / "pictures", catchments=["cat-99"])
    with pytest.raises(ConfigError, match=r"\.png or \.svg"):
        plot_run(finished.folder, tmp_path / "one.gif", catchments=["cat-2"])
    assert list(tmp_path.iterdir()) == []
