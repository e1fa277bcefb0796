"""The page on another domain is run from top to bottom: leaves are made, learned, evaluated and drawn."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dmg_core.data.leaf_gas_exchange import COLUMNS
from dmg_core.learning.settings.experiment_file import document_of, read_experiment
from tests.docs.pages import Page, following

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Follow the page in an empty folder."""
    with following("another_domain.md", tmp_path_factory.mktemp("leaves")) as followed:
        yield followed


def test_it_learns_what_the_page_says(page: Page) -> None:
    """Capacities of all plant types are within 3 % of the truth, as the last script of the page prints them."""
    printed = subprocess.run([sys.executable, "capacities.py"], check=True, capture_output=True, text=True, cwd=page.folder).stdout
    found = re.findall(r"(\w+): ([\d.]+), truth (\d+)", printed)
    assert len(found) == 5
    for plant, learned, truth in found:
        assert float(learned) == pytest.approx(float(truth), rel=0.03), plant


def test_the_evaluation_holds_what_the_page_says(page: Page) -> None:
    """A row for each sample, held-out ones marked; a row of scores for each plant type; all pictures."""
    evaluation = page.folder / "evaluation"
    with (evaluation / "samples.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1500
    assert sum(row["part"] == "held out" for row in rows) == pytest.approx(300, abs=5)
    with (evaluation / "scores.csv").open() as stream:
        scores = {row["group"]: float(row["nse"]) for row in csv.DictReader(stream)}
    assert set(scores) == {"oak", "spruce", "wheat", "soybean", "maize"}
    assert min(scores.values()) > 0.98
    pictures = {file.stem for file in evaluation.glob("*.png")}
    assert pictures == {"observed", "parameters", "co2_response", "light_response", "learning"}
    (summary,) = (text for command, text in page.printed.items() if command.startswith("bmi-dmg evaluate"))
    assert re.search(r"1500 samples in 5 groups, net_assimilation: R2 0\.99", summary)


def test_the_shipped_experiment_is_that_of_the_page(page: Page) -> None:
    """Up to where the table lies."""
    shipped = document_of(read_experiment(ROOT / "configs" / "train" / "leaf-photosynthesis.yaml"))
    told = document_of(read_experiment(page.folder / "experiment.yaml"))
    for document in (shipped, told):
        document["data"].pop("file")
    assert shipped == told


def test_columns_and_options_of_the_page_are_those_of_the_reader() -> None:
    """Each column of the table is known, with its unit and its other names."""
    text = (ROOT / "docs" / "another_domain.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| ([^|]*) \| ([^|]*)\|$", text, re.MULTILINE)
    told = set()
    for names, unit, _ in rows:
        known = [name for name in re.findall(r"`(\w+)`", names) if name in COLUMNS]
        told.update(known)
        for name in known:
            assert COLUMNS[name].unit == unit.strip(), name
        (spellings,) = re.findall(r"\(([^)]*)\)", names)[:1] or [""]
        for spelling in re.findall(r"`(\w+)`", spellings):
            allowed = {each for name in known for each in COLUMNS[name].spellings} | {"pft", "species"}
            assert spelling.lower() in allowed, spelling
    assert {"leaf_temperature", "par", "co2", "wetness_1", "roots_5", "net_assimilation"} <= told
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
    assert [set(block["data"]["columns"]) <= COLUMNS.keys() for block in blocks] == [True]
