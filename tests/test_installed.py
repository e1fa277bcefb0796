"""The tests are of what a user installs, not of the folders they lie beside."""

from __future__ import annotations

import os
import sysconfig
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

import pytest

PACKAGES = ("dmg_core", "bmi_dmg")

pytestmark = pytest.mark.skipif(
    os.environ.get("DMG_TEST_INSTALLED") != "1",
    reason="DMG_TEST_INSTALLED is not 1: the sources may be tested in place",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_package_under_test_is_the_installed_one(package: str) -> None:
    """The tests import both packages from site-packages."""
    origin = import_module(package).__file__
    assert origin is not None
    assert Path(origin).resolve().is_relative_to(Path(sysconfig.get_path("purelib")).resolve())


@pytest.mark.parametrize("package", PACKAGES)
def test_distribution_ships_type_hints(package: str) -> None:
    """Both packages are shipped with the marker that lets type checkers use their annotations."""
    shipped = {str(file) for file in distribution("bmi-dmg").files or ()}
    assert f"{package}/py.typed" in shipped
