"""Other Python processes that import the packages under test."""

from __future__ import annotations

import os
from pathlib import Path

import bmi_dmg


def environment_of_packages() -> dict[str, str]:
    """Environment variables with which another Python imports the very packages of this process."""
    return {**os.environ, "PYTHONPATH": str(Path(bmi_dmg.__file__).parents[1])}
