"""The page in a real browser, as people meet it."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg.report import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("DMG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; DMG_CHROMIUM may name it"),
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: The page marks the moment from which it can be used.
READY = "html[data-ready]"


@dataclass
class Visit:
    """A page that is open, and what went wrong or over the network since it was opened."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """What is read at a place of the page."""
        return str(self.page.inner_text(selector))

    def label(self, selector: str) -> str:
        """What a screen reader says of an element."""
        return str(self.page.get_attribute(selector, "aria-label"))

    def click_divide(self, row: int) -> None:
        """Click inside a divide on the map."""
        self.page.eval_on_selector(f'path[data-row="{row}"]', "element => element.scrollIntoView({block: 'center'})")
        x, y = self.page.evaluate(
            "row => { const [x, y] = facts.map.points[row]; "
            "const at = new DOMPoint(x, y).matrixTransform(document.querySelector('#map svg').getScreenCTM()); return [at.x, at.y]; }",
            row,
        )
        self.page.mouse.click(x, y)

    def charted(self, role: str) -> np.ndarray:
        """Values that the charts hold for a curve."""
        script = """role => { for (const [i, panel] of facts.panels.entries()) {
            const at = panel.curves.findIndex((curve) => curve.role === role);
            if (at >= 0) return Array.from(charts[i].data[at + 1]);
        } }"""
        return np.array(self.page.evaluate(script, role), dtype=np.float64)


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """Give a visitor of pages, with a browser of his own that knows nothing."""
    with sync_api.sync_playwright() as playwright:
        contexts = []

        def open_page(path: Path, *, anchor: str = "", **options: Any) -> Visit:
            profile = tmp_path / f"profile-{len(contexts)}"
            context = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=list(FLAGS), **options)
            contexts.append(context)
            visit = Visit(context.new_page())
            visit.page.on("console", lambda message: visit.complaints.append(message.text))
            visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            visit.page.on("request", lambda request: visit.requests.append(request.url))
            visit.page.goto(path.as_uri() + anchor)
            visit.page.wait_for_selector(READY, state="attached")
            return visit

        yield open_page
        for context in contexts:
            context.close()


def wait_until(page: Any, condition: str) -> None:
    """Wait until a condition holds; playwright's own way evaluates text in the page, which the page's security policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within ten seconds: {condition}")


def test_a_page_opens_without_complaint(report: Path, visit: Callable[..., Visit]) -> None:
    """Nothing is written to the console, no error is raised, and nothing but the page is asked for."""
    opened = visit(report)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    assert opened.text("#title") == "my run"
    assert opened.text("#catchment-heading") == "All 3 catchments"
    assert "Precipitation" in opened.text("#totals")
    assert opened.text("#findings-link").startswith("Check: ")
    assert "cat-10" in opened.text("#findings-list")


def test_a_click_shows_the_catchment(report: Path, finished: Any, visit: Callable[..., Visit]) -> None:
    """Heading, charts, budget and address are those of the divide that was clicked, with the numbers of the run."""
    opened = visit(report)
    for row, catchment in ((2, "cat-10"), (0, "cat-1")):
        opened.click_divide(row)
        assert opened.text("#catchment-heading") == catchment
        for role in ("streamflow", "precipitation", "swe", "soil_moisture", "lower_zone", "aet"):
            np.testing.assert_allclose(opened.charted(role), finished.daily[role][row], rtol=2e-5)
        runoff = finished.daily["streamflow"][row, 1:].sum()
        assert f"Runoff\t{runoff:.1f}" in opened.text("#budget")
        assert opened.page.url.endswith(f"#{catchment}")
        assert opened.page.get_attribute("#table tr[aria-current]", "data-row") == str(row)
    opened.page.click("#show-all")
    assert opened.text("#catchment-heading") == "All 3 catchments"
    assert opened.complaints == []


def test_charts_are_scaled_to_what_they_show(report: Path, finished: Any, visit: Callable[..., Visit]) -> None:
    """The axis of runoff follows from one catchment to the next, and holds all of it."""
    opened = visit(report, anchor="#cat-1")
    tops = []
    for row in range(3):
        opened.click_divide(row)
        flow = finished.daily["streamflow"][row]
        tops.append(opened.page.evaluate("charts[1].scales.y.max"))
        assert np.nanmax([flow.max(), *(opened.charted("observed"))]) <= tops[-1] <= 1.4 * 1.25 * flow.max()
    assert len(set(tops)) == 3


def test_observed_flow_is_shown_with_its_gap(report: Path, visit: Callable[..., Visit]) -> None:
    """An address can name a catchment; its bias is told, and the sixth day has no observed flow."""
    opened = visit(report, anchor="#cat-2")
    assert "bias −20.0 %" in opened.text("#catchment-facts")
    assert np.flatnonzero(np.isnan(opened.charted("observed"))).tolist() == [5]
    opened.page.select_option("#measure", label="Bias of runoff")
    assert "Bias of runoff %" in opened.text("#legend")
    assert "cat-2, Bias of runoff −20.0 %" in opened.label('path[data-row="1"]')
    assert opened.label('path[data-row="0"]').endswith("–")


def test_the_map_is_coloured_by_value(report: Path, finished: Any, visit: Callable[..., Visit]) -> None:
    """The divide with the most has the last colour of the scale, that with the least the first."""
    opened = visit(report, color_scheme="light")
    opened.page.select_option("#measure", label="Soil water, mean")
    fills = opened.page.eval_on_selector_all(".divide", "all => all.map((path) => getComputedStyle(path).fill)")
    ramp = opened.page.evaluate(
        "facts.scales.light.map((colour) => { document.body.style.color = colour; return getComputedStyle(document.body).color; })"
    )
    mean = finished.daily["soil_moisture"][:, 1:].mean(axis=1)

    def numbers(colour: str) -> np.ndarray:
        """Red, green and blue of ``rgb(1, 2, 3)`` or ``color(srgb 0.1 0.2 0.3)``."""
        found = np.array([float(part) for part in re.findall(r"[\d.]+", colour)][:3])
        return found * (255.0 if colour.startswith("color") else 1.0)

    np.testing.assert_allclose(numbers(fills[mean.argmax()]), numbers(ramp[-1]), atol=1.0)
    np.testing.assert_allclose(numbers(fills[mean.argmin()]), numbers(ramp[0]), atol=1.0)


def test_all_can_be_done_with_the_keyboard(report: Path, visit: Callable[..., Visit]) -> None:
    """Arrow keys go from divide to divide, the field finds one by name, and the table's buttons choose too."""
    opened = visit(report)
    opened.page.focus('path[tabindex="0"]')
    opened.page.keyboard.press("Enter")
    assert opened.text("#catchment-heading") == "cat-1"
    opened.page.keyboard.press("ArrowRight")
    assert opened.text("#catchment-heading") == "cat-2"
    assert opened.page.evaluate("document.activeElement.dataset.row") == "1"
    opened.page.keyboard.press("ArrowLeft")
    assert opened.text("#catchment-heading") == "cat-1"
    opened.page.fill("#find", "cat-10")
    opened.page.keyboard.press("Enter")
    assert opened.text("#catchment-heading") == "cat-10"
    opened.page.focus('#table tr[data-row="1"] button')
    opened.page.keyboard.press("Enter")
    assert opened.text("#catchment-heading") == "cat-2"


def test_the_table_is_sorted_by_a_click(report: Path, finished: Any, visit: Callable[..., Visit]) -> None:
    """The most comes first, at a second click the least."""
    opened = visit(report)
    order = np.argsort(finished.daily["streamflow"][:, 1:].sum(axis=1))
    heads = opened.page.locator("#table thead button")
    for expected in (order[::-1], order):
        heads.nth(2).click()
        assert opened.page.eval_on_selector_all("#table tbody tr", "all => all.map((row) => Number(row.dataset.row))") == expected.tolist()


def test_charts_zoom_together(report: Path, visit: Callable[..., Visit]) -> None:
    """Dates set the period of all charts; the whole period comes back with a button."""
    opened = visit(report)
    opened.page.fill("#from", "2020-02-10")
    opened.page.fill("#to", "2020-02-20")
    opened.page.locator("#to").blur()
    wait_until(opened.page, "charts.every((chart) => chart.scales.x.min === Date.UTC(2020, 1, 10) / 1000)")
    opened.click_divide(1)
    assert opened.page.evaluate("charts.map((chart) => chart.scales.x.max)") == [datetime(2020, 2, 20).timestamp()] * 6
    opened.page.click("#whole-period")
    wait_until(opened.page, "charts.every((chart) => chart.scales.x.min === times[0])")


def test_the_series_can_be_saved(report: Path, finished: Any, visit: Callable[..., Visit], tmp_path: Path) -> None:
    """A CSV file holds the curves of the catchment that is shown."""
    opened = visit(report, anchor="#cat-10")
    with opened.page.expect_download() as download:
        opened.page.click("#download")
    assert download.value.suggested_filename == "my run_cat-10.csv"
    download.value.save_as(tmp_path / "saved.csv")
    with (tmp_path / "saved.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert (len(rows), rows[0]["time"]) == (70, "2020-01-30 00:00")
    flow = [float(row["Runoff [mm/d]"]) for row in rows]
    np.testing.assert_allclose(flow, finished.daily["streamflow"][2], rtol=5e-5)
    assert rows[0]["Observed flow [mm/d]"] == ""


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_their_window(report: Path, visit: Callable[..., Visit], width: int, theme: str) -> None:
    """Wide or narrow, light or dark: nothing sticks out sideways, and text stands out from its ground."""
    opened = visit(report, viewport={"width": width, "height": 900}, color_scheme=theme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.eval_on_selector("#charts canvas", "canvas => canvas.getBoundingClientRect().width") > 0.6 * min(width, 700)
    shades = opened.page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    text, ground = (np.mean([int(part) for part in shade.strip("rgb()").split(",")]) for shade in shades)
    assert (ground - text > 150) if theme == "light" else (text - ground > 150)


def test_charts_follow_the_theme_and_the_window(report: Path, visit: Callable[..., Visit]) -> None:
    """A change of theme changes the colours of curves, and a narrower window the width of charts, without losing the catchment."""
    opened = visit(report, anchor="#cat-2", color_scheme="light", viewport={"width": 1400, "height": 900})
    before = opened.page.evaluate("[charts[1].series[3].stroke(), charts[1].width]")
    opened.page.emulate_media(color_scheme="dark")
    opened.page.set_viewport_size({"width": 500, "height": 900})
    wait_until(opened.page, "charts[1].width < 500")
    after = opened.page.evaluate("[charts[1].series[3].stroke(), charts[1].width]")
    assert before[0] != after[0]
    assert opened.text("#catchment-heading") == "cat-2"
    assert opened.complaints == []


def test_a_page_without_map_has_all_the_rest(finished: Any, visit: Callable[..., Visit], tmp_path: Path) -> None:
    """Without a hydrofabric, catchments are chosen in the table."""
    folder = shutil.copytree(finished.folder, tmp_path / "no map")
    (folder / "config" / "subset.gpkg").unlink()
    opened = visit(write_report(folder))
    assert opened.page.query_selector("#map") is None
    opened.page.click('#table tr[data-row="2"] button')
    assert opened.text("#catchment-heading") == "cat-10"
    assert opened.complaints == []


@pytest.fixture(scope="module")
def basin(shared: Path, write_finished: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """The page of a year of 794 real divides with made, rough results, and the flow that was put in."""
    import geopandas

    from bmi_dmg.variables import OUTPUTS, RUNOFF_DEPTH

    geopackage = shared / "data" / "juniata" / "jrb_hydrofabric_v2.2.gpkg"
    ids = geopandas.read_file(geopackage, layer="divides", ignore_geometry=True)["divide_id"].tolist()
    random = np.random.default_rng(3)
    shape = (len(ids), 366)
    daily = {variable: random.gamma(0.7, 2.0, shape) for variable in OUTPUTS if variable.name != "land_surface_water__runoff_volume_flux"}
    hourly = {
        variable.name: np.hstack([np.zeros((len(ids), 23)), np.repeat(values, 24, axis=1)[:, :-23]]) * variable.factor(1)
        for variable, values in daily.items()
    }
    rain = np.repeat(random.gamma(0.3, 10.0, shape), 24, axis=1) / 24.0
    folder = tmp_path_factory.mktemp("basin") / "juniata"
    write_finished(folder, datetime(2020, 1, 1), hourly, rain, ids=ids, geopackage=geopackage)
    flow = next(values for variable, values in daily.items() if variable.name == RUNOFF_DEPTH)
    observed = tmp_path_factory.mktemp("flow") / "flow.csv"
    days = (np.datetime64("2020-01-01") + np.arange(366)).astype(str)
    table = np.column_stack([days, (flow * random.uniform(0.8, 1.2, shape)).T.astype(str)])
    header = ",".join(["time", *(f"{catchment}[mm d-1]" for catchment in ids)])
    np.savetxt(observed, table, fmt="%s", delimiter=",", header=header, comments="")
    return write_report(folder, observed=observed), flow


@pytest.mark.slow  # it waits for a clock: a busy machine would fail it
def test_a_large_basin_is_usable_at_once(basin: tuple[Path, np.ndarray], visit: Callable[..., Visit]) -> None:
    """A year of 794 divides with all outputs and observed flow: at most 15 MB, used after 2 s, and a click is answered in half a second."""
    path, flow = basin
    assert path.stat().st_size <= 15e6
    opened = visit(path, viewport={"width": 1400, "height": 1000})
    assert opened.page.evaluate("performance.getEntriesByName('interactive')[0].startTime") <= 2000.0
    row = opened.page.evaluate("facts.map.paths.reduce((best, path, i, all) => (path.length > all[best].length ? i : best), 0)")
    opened.click_divide(row)
    assert opened.text("#catchment-heading") == opened.page.evaluate("row => catchments[row]", row)
    np.testing.assert_allclose(opened.charted("streamflow"), flow[row], rtol=2e-5)
    took = opened.page.evaluate("() => { const begin = performance.now(); choose(5); return performance.now() - begin; }")
    assert took <= 500.0
    assert opened.complaints == []
