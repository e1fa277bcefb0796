"""Real catchments: the divides of the Juniata."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from dmg_core.checkpoint import read_checkpoint


def read_attributes(shared: Path, *others: str) -> dict[str, dict[str, float]]:
    """Give the attributes that the model of the reference figures needs, and others, by divide."""
    names = (*read_checkpoint(shared / "parity" / "bmi_dhbv_2" / "model").settings.attributes, *others)
    with (shared / "data" / "juniata" / "attributes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {row["divide_id"]: {name: float(row[name]) for name in names} for row in rows}


def demand_all_digits(folder: Path) -> None:
    """Make the realization write numbers that read back as they were."""
    path = folder / "config" / "realization.json"
    content = json.loads(path.read_text())
    content["output"] = {"root": content.pop("output_root"), "precision": 17}
    path.write_text(json.dumps(content))
