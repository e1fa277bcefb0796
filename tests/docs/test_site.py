"""The documentation as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

import bmi_dmg


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link or page that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    program = Path(sysconfig.get_path("scripts")) / "mkdocs"
    environment = {**os.environ, "PYTHONPATH": str(Path(bmi_dmg.__file__).parents[1]), "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(
        [program, "build", "--strict", "--site-dir", folder], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_every_page_is_built(root: Path, site: Path) -> None:
    """Every page has become a file, and the hook itself is not part of the site."""
    assert {page.stem for page in (root / "docs").glob("*.md")} <= {page.stem for page in site.glob("*.html")}
    assert not (site / "hooks").exists()


def test_no_marker_is_left(site: Path) -> None:
    """Every table that is made from the code is there."""
    assert not [page.name for page in site.glob("*.html") if "generated:" in page.read_text(encoding="utf-8")]
    assert "groundwater__percolation_volume_flux" in (site / "variables.html").read_text(encoding="utf-8")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No page loads a script, a style, a font or a picture from another server."""
    elsewhere = r"""["']?(?:https?:)?//"""
    loads = re.compile(
        rf"<(?:script|img|iframe)[^>]*\ssrc={elsewhere}|<link[^>]*rel=[\"']?(?:stylesheet|preconnect|icon)[^>]*href={elsewhere}"
    )
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(rf"url\({elsewhere}|@import", sheet.read_text(encoding="utf-8")), sheet
