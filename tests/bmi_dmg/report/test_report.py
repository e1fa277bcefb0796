from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.report import content, write_report
from dmg_core.errors import ConfigError

ReadPage = Callable[[Path], Any]
#: Attributes by which a page loads something.
LOADING = ("src", "srcset", "data", "poster", "action", "background", "formaction", "xlink:href")


def measure(facts: dict[str, Any], label: str) -> list[float | None]:
    """Figures of what the map can show."""
    return next(list(each["values"]) for each in facts["measures"] if each["label"] == label)


def test_the_page_lies_in_the_run_folder_and_is_whole(report: Path, finished: Any, read_page: ReadPage) -> None:
    """All elements are closed, and the title is the folder's name."""
    page = read_page(report)
    assert report == finished.folder / "report.html"
    assert page.open == []
    assert page.text.startswith("<!DOCTYPE html>")
    assert page.facts["title"] == "my run"
    assert "my run: run report" in page.text


def test_nothing_is_asked_of_the_network(report: Path, read_page: ReadPage) -> None:
    """No element or style loads anything, the policy of the page forbids it, and its scripts have no means to."""
    page = read_page(report)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name in LOADING], tag
        assert tag not in ("iframe", "object", "embed", "base")
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
    policy = next(attributes["content"] for _, attributes in page.elements if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert not re.search(r"@import|url\(\s*['\"]?http|\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon", page.text)


def test_the_licence_of_what_is_built_in_is_kept(report: Path) -> None:
    """The licence of uPlot stands in the page."""
    text = report.read_text(encoding="utf-8")
    assert "Copyright (c) 2022 Leon Sorokin" in text
    assert "The above copyright notice and this permission notice" in text


def test_series_are_those_of_the_run(report: Path, finished: Any, read_page: ReadPage) -> None:
    """Each curve of each catchment comes back to five digits, the mean weighted by area last."""
    page = read_page(report)
    roles = [curve["role"] for panel in page.facts["panels"] for curve in panel["curves"]]
    assert set(roles) == {
        *("precipitation", "streamflow", "baseflow", "observed", "swe", "meltwater"),
        *("soil_moisture", "upper_zone", "lower_zone", "aet", "pet"),
    }
    for role in set(roles) - {"observed"}:
        daily = finished.daily[role]
        np.testing.assert_allclose(page.series(role)[:3], daily, rtol=2e-5)
        np.testing.assert_allclose(page.series(role)[3], np.array([1.0, 2.0, 3.0]) @ daily / 6.0, rtol=2e-5)
    assert page.facts["axis"] == {"start": int(datetime(2020, 1, 30).timestamp() // 86400 * 86400), "step": 86400, "n": 70}


def test_observed_flow_and_its_figures(report: Path, finished: Any, read_page: ReadPage) -> None:
    """A catchment with observed flow has it with its gap, and its bias; the others have none."""
    page = read_page(report)
    expected = 1.25 * finished.daily["streamflow"][1]
    expected[5] = np.nan
    np.testing.assert_allclose(page.series("observed")[1], expected, rtol=2e-5)
    assert np.isnan(page.series("observed")[[0, 2, 3]]).all()
    assert page.facts["skill"]["pbias"] == [None, pytest.approx(-20.0), None, None]
    assert measure(page.facts, "Bias of runoff") == page.facts["skill"]["pbias"]


def test_budgets_and_measures_tell_the_same(report: Path, finished: Any, read_page: ReadPage) -> None:
    """Terms are sums over the days after the first; what the map shows of a flux is its term."""
    facts = read_page(report).facts
    terms = {term["label"]: term["values"] for term in facts["budget"]["terms"]}
    runoff = finished.daily["streamflow"][:, 1:].sum(axis=1)
    np.testing.assert_allclose(terms["Runoff"], [*runoff, np.array([1.0, 2.0, 3.0]) @ runoff / 6.0], rtol=1e-5)
    assert measure(facts, "Runoff") == terms["Runoff"]
    np.testing.assert_allclose(facts["budget"]["residual"], 0.0, atol=1e-3)
    np.testing.assert_allclose(measure(facts, "Soil water, mean")[:3], finished.daily["soil_moisture"][:, 1:].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(measure(facts, "Largest snowpack")[:3], finished.daily["swe"][:, 1:].max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(measure(facts, "Runoff ratio")[1], runoff[1] / finished.daily["precipitation"][1, 1:].sum(), rtol=1e-5)


def test_the_period_of_the_budget_is_told(report: Path, read_page: ReadPage) -> None:
    """The run has 70 days; budgets begin at the end of the first."""
    assert read_page(report).facts["period"] == {
        "start": "2020-01-30T00:00:00",
        "end": "2020-04-09T00:00:00",
        "budgetStart": "2020-01-31T00:00:00",
        "budgetEnd": "2020-04-09T00:00:00",
        "byDay": True,
    }


def test_settings_and_findings_do_not_tell_where_the_folder_lies(report: Path, finished: Any, read_page: ReadPage) -> None:
    """The check's findings and the settings are there, with paths from the run folder on."""
    page = read_page(report)
    settings = dict(page.facts["settings"])
    assert settings["Realization"] == "config/realization.json"
    assert settings["Model class"] == "bmi_dmg.BmiDeltaModel"
    assert dict(page.facts["versions"])["numpy"] == np.__version__
    assert any("cat-10" in finding["message"] for finding in page.facts["findings"])
    assert str(finished.folder) not in page.text


def test_numbers_that_are_none_are_written_as_json_knows_them(report: Path, read_page: ReadPage) -> None:
    """NaN is no JSON; a browser would refuse all of it."""
    json.loads(read_page(report).contents["facts"], parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_name_cannot_break_the_page(finished: Any, tmp_path: Path, read_page: ReadPage) -> None:
    """A folder named like a piece of HTML is a title and nothing more."""
    copy = tmp_path / "<b>&$styles"
    shutil.copytree(finished.folder, copy)
    page = read_page(write_report(copy))
    assert page.facts["title"] == "<b>&$styles"
    assert "b" not in [tag for tag, _ in page.elements]


def test_long_runs_are_told_in_longer_steps(finished: Any, monkeypatch: pytest.MonkeyPatch, read_page: ReadPage) -> None:
    """A run with more values than a page should hold is told by the week; its budget is as exact as ever."""
    monkeypatch.setattr(content, "MAX_VALUES", 10 * 10 * 4)
    page = read_page(write_report(finished.folder))
    assert page.facts["axis"]["step"] == 7 * 86400
    np.testing.assert_allclose(page.series("streamflow")[:3], finished.daily["streamflow"].reshape(3, 10, 7).mean(axis=-1), rtol=2e-5)
    assert measure(page.facts, "Runoff")[0] == pytest.approx(finished.daily["streamflow"][0, 1:].sum(), rel=1e-5)


def test_other_modules_are_reported_by_the_hour(make_run: Callable[..., Path], recorded: ModuleType, read_page: ReadPage) -> None:
    """A short run of a module that steps by the hour keeps its hours, and what is no water can be mapped in its own unit."""
    folder = make_run(hours=60)
    run(folder, progress=False)
    page = read_page(write_report(folder))
    assert page.facts["axis"]["step"] == 3600
    np.testing.assert_allclose(page.series("streamflow")[1], 24e3 * 2 * 1e-3 * np.arange(1, 61), rtol=2e-5)
    assert next(each for each in page.facts["measures"] if each["label"].startswith("warmth"))["units"] == "degC"
    assert page.facts["skill"] is None


def test_without_hydrofabric_there_is_no_map(make_run: Callable[..., Path], recorded: ModuleType, read_page: ReadPage) -> None:
    """Areas are unknown then, and all catchments count the same in the mean."""
    folder = make_run(hours=60, geopackage=False)
    run(folder, progress=False)
    page = read_page(write_report(folder))
    assert page.facts["map"] is None
    assert page.facts["catchments"]["areas"] is None
    np.testing.assert_allclose(page.series("streamflow")[3], page.series("streamflow")[:3].mean(axis=0), rtol=5e-5)


def test_what_cannot_be_reported_is_told(make_run: Callable[..., Path], recorded: ModuleType) -> None:
    """A folder that was not run, and a run of less than two days, are errors; no page is left."""
    folder = make_run(hours=30)
    with pytest.raises(ConfigError, match="run the folder first"):
        write_report(folder)
    run(folder, progress=False)
    with pytest.raises(ConfigError, match="at least two complete days; the run has 30 hours"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_forecasts_after_assimilation_are_told(finished: Any, tmp_path: Path, read_page: ReadPage) -> None:
    """The page has a table of scores by lead where a run folder has one, none where it has none, and refuses a damaged one."""
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    assert read_page(write_report(folder)).facts["assimilation"] is None
    table = folder / "outputs" / "assimilation" / "leads.csv"
    table.parent.mkdir()
    kinds = ("open_loop", "persistence", "states", "assimilation")
    rows = [f"{kind},{lead},0.{place + 1}{lead % 10},0.5,-3,," for place, kind in enumerate(kinds) for lead in range(1, 5)]
    table.write_text("\n".join(["forecast,lead_days,nse[1],kge[1],volume_bias[%],peak_error[%],peak_timing[d]", *rows]) + "\n")
    found = read_page(write_report(folder)).facts["assimilation"]
    assert found["leads"] == [1, 2, 3]
    assert found["rows"][3] == {
        "score": "NSE",
        "forecast": "from analysed states, with the last error decaying",
        "values": [0.41, 0.42, 0.43],
    }
    table.write_text("forecast,lead_days\nopen_loop,many\n")
    with pytest.raises(ConfigError, match=r"leads\.csv: not readable as a table of scores by lead"):
        write_report(folder)
