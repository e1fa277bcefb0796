"""Flow at the outlets in m³/s, gauges, and what stands on top of the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import pandas as pd
import pyogrio
import pytest

from bmi_dmg.demo.make import make_demo
from bmi_dmg.report import write_report
from bmi_dmg.run_folder.config_edit import with_key
from tests.bmi_dmg.report.test_browser import Visit, pytestmark, visit, wait_until  # noqa: F401 - the fixture, and the marks of this module

ReadPage = Callable[[Path], Any]
GAUGE = "00000042"


class Basin(NamedTuple):
    """A run of five catchments, its page, and its runoff in mm/d, shape (5, days)."""

    folder: Path
    page: Path
    area: np.ndarray
    runoff: np.ndarray


@pytest.fixture(scope="module")
def basin(tmp_path_factory: pytest.TempPathFactory) -> Basin:
    """Five catchments with one outlet, where a gauge has measured 1.25 times what was simulated."""
    folder = make_demo(tmp_path_factory.mktemp("basin") / "run", n_catchments=5, days=90, progress=False).run_folder
    geopackage = folder / "config" / "synthetic.gpkg"
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as results:
        area = np.asarray(results["area"][:])
        runoff = 24e3 * np.asarray(results["land_surface_water__runoff_depth"][:, 23::24])
    ends = pyogrio.read_dataframe(geopackage, layer="divides", read_geometry=False)
    nexus = pyogrio.read_dataframe(geopackage, layer="nexus", read_geometry=False)
    lowest = next(
        row for row, end in enumerate(ends["toid"]) if dict(zip(nexus["id"], nexus["toid"], strict=True))[end] not in set(ends["id"])
    )
    gauges = pd.DataFrame({"id": ends["id"], "gage": [GAUGE if row == lowest else None for row in range(5)]})
    pyogrio.write_dataframe(gauges, geopackage, layer="flowpath-attributes", append=True)
    flow = 1.25 * area @ runoff / 86.4
    days = [datetime(2018, 1, 1) + timedelta(days=day) for day in range(90)]
    lines = [f"time,{GAUGE}[m3 s-1]", *(f"{day:%Y-%m-%d},{value:.17g}" for day, value in zip(days, flow, strict=True))]
    (folder / "flow.csv").write_text("\n".join(lines))
    return Basin(folder, write_report(folder, observed=folder / "flow.csv"), area, runoff)


def test_flow_at_the_outlet_is_all_that_leaves(basin: Basin, visit: Callable[..., Visit]) -> None:  # noqa: F811
    """In m³/s: runoff times area of a divide and all above it; of all divides together, what leaves the basin."""
    opened = visit(basin.page)
    whole = basin.area @ basin.runoff * 1e3 / 86400.0
    np.testing.assert_allclose(opened.charted("outlet"), whole, rtol=2e-5, atol=1e-9)
    down = opened.page.evaluate("facts.network.down")
    for row in range(5):
        above = {row}
        for _ in range(5):
            above |= {each for each in range(5) if down[each] in above}
        opened.page.evaluate("row => choose(row)", row)
        rows = sorted(above)
        np.testing.assert_allclose(opened.charted("outlet"), basin.area[rows] @ basin.runoff[rows] / 86.4, rtol=2e-5, atol=1e-9)
    assert opened.complaints == []


def test_a_gauge_is_held_against_all_above_it(basin: Basin, read_page: ReadPage, visit: Callable[..., Visit]) -> None:  # noqa: F811
    """Its flow stands beside that at the outlet of its divide, its bias is that of the sums, and the map and the tiles name it."""
    page = read_page(basin.page)
    (gauge,) = page.facts["gauges"]
    assert gauge["id"] == GAUGE
    assert gauge["pbias"] == pytest.approx(-20.0, abs=1e-3)
    assert gauge["area"] == pytest.approx(basin.area.sum(), abs=0.05)
    np.testing.assert_allclose(page.series("gauged")[gauge["row"]], 1.25 * basin.area @ basin.runoff / 86.4, rtol=2e-5, atol=1e-9)
    assert page.facts["skill"] is None
    opened = visit(basin.page)
    assert "Median NSE at gauges" in opened.text("#totals")
    opened.page.eval_on_selector("circle.gauge.observed", "circle => circle.dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    assert f"gauge {GAUGE}: NSE" in opened.text("#catchment-facts")
    assert "bias −20.0 %" in opened.text("#catchment-facts")


def test_mean_flow_is_runoff_over_the_run(basin: Basin, read_page: ReadPage) -> None:
    """The table's mean flow at the lowest outlet is the volume of all runoff in the seconds of the run."""
    facts = read_page(basin.page).facts
    flow = next(measure["values"] for measure in facts["measures"] if measure["label"] == "Mean flow at the outlet")
    runoff = next(measure["values"] for measure in facts["measures"] if measure["label"] == "Runoff")
    volume = sum(depth * area * 1e3 for depth, area in zip(runoff[:5], basin.area, strict=True))
    assert flow[facts["gauges"][0]["row"]] == pytest.approx(volume / (90 * 86400), rel=1e-4)


def test_a_cold_start_stands_on_top(basin: Basin, read_page: ReadPage, visit: Callable[..., Visit], tmp_path: Path) -> None:  # noqa: F811
    """The warning comes before all figures, counts what starts cold, and goes when a warm start is named."""
    opened = visit(basin.page)
    assert opened.text("#cold").startswith("Cold start. All stores were empty on 1 Jan 2018")
    above = (
        "document.getElementById('cold').getBoundingClientRect().bottom <= document.getElementById('totals').getBoundingClientRect().top"
    )
    assert opened.page.evaluate(above)
    configs = sorted((basin.folder / "config" / "cat_config").rglob("*.yml"))
    kept = {path: path.read_bytes() for path in configs}
    try:
        for count, path in enumerate(configs, start=1):
            path.write_bytes(with_key(path, "initial_state", "./state/warm.safetensors"))
            assert read_page(write_report(basin.folder)).facts["cold"] == 5 - count
        assert visit(basin.folder / "report.html").page.is_hidden("#cold")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def test_flow_can_be_seen_on_a_logarithmic_axis(basin: Basin, visit: Callable[..., Visit]) -> None:  # noqa: F811
    """A tick box makes the axes of both flows logarithmic, at most four decades high, and keeps catchment and period; and back."""
    opened = visit(basin.page)
    opened.page.evaluate("choose(2)")
    opened.page.fill("#from", "2018-02-01")
    opened.page.locator("#from").blur()
    kinds = "charts.map((chart) => chart.scales.y.distr)"
    before = opened.page.evaluate(kinds)
    titles = opened.page.evaluate("facts.panels.map((panel) => panel.title)")
    opened.page.check("#logarithmic")
    assert opened.page.evaluate(kinds) == [3 if title in ("Runoff", "Flow at the outlet") else 1 for title in titles]
    wait_until(opened.page, "charts.every((chart) => chart.scales.x.min === Date.UTC(2018, 1, 1) / 1000)")
    low, high = opened.page.evaluate("[charts[1].scales.y.min, charts[1].scales.y.max]")
    assert 0.0 < low < high <= 1.3e4 * low
    assert opened.text("#catchment-heading") == "cat-3"
    opened.page.uncheck("#logarithmic")
    assert opened.page.evaluate(kinds) == before
    assert opened.complaints == []


@pytest.mark.parametrize("width", [1440, 1000, 420])
def test_the_table_fits_the_page(basin: Basin, visit: Callable[..., Visit], width: int) -> None:  # noqa: F811
    """No column is cut off at any width; buttons lead to those there is no room for, and all are reached."""
    opened = visit(basin.page, viewport={"width": width, "height": 900})
    count = opened.page.evaluate("table.columns.length")
    seen = []
    for _ in range(count):
        assert opened.page.evaluate("(() => { const frame = element('table-frame'); return frame.scrollWidth <= frame.clientWidth; })()")
        cut = "[...document.querySelectorAll('#table thead button')].filter((button) => button.scrollWidth > button.clientWidth + 1).length"
        assert opened.page.evaluate(cut) == 0
        seen += opened.page.evaluate("table.shown")
        if opened.page.is_hidden("#columns-after") or opened.page.is_disabled("#columns-after"):
            break
        opened.page.click("#columns-after")
    assert seen == list(range(1, count))


def test_divides_have_outlines_and_rivers_banks(basin: Basin, visit: Callable[..., Visit]) -> None:  # noqa: F811
    """Outlines stand out from the palest and the darkest colour of the map, and each river has a pale bank under it."""
    opened = visit(basin.page, color_scheme="light")
    outline = opened.page.eval_on_selector(".divide", "path => getComputedStyle(path).stroke")
    assert np.mean([int(part) for part in outline.strip("rgb()").split(",")]) < 80
    order = opened.page.eval_on_selector_all(
        "#map svg > path:not(.divide):not(.chosen)", "all => all.map((path) => path.getAttribute('class'))"
    )
    assert order == ["rivers bank", "rivers water", "mains bank", "mains water"]
    assert opened.page.eval_on_selector("path.mains.water", "path => path.getTotalLength()") > 100.0
    assert "hidden" not in opened.page.eval_on_selector("path.rivers.water", "path => getComputedStyle(path).display")
