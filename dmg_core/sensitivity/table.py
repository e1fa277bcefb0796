"""Elasticities as a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from dmg_core.files import written_whole
from dmg_core.sensitivity.analysis import Sensitivity


def write_elasticities(path: Path, found: Sensitivity) -> None:
    """Write a row for each basin and quantity, with a column for each signature, whole or not at all; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["gauge_id", "kind", "name", "change", *found.elasticities])
    for row, gauge in enumerate(found.basins.ids):
        for column, quantity in enumerate(found.quantities):
            values = (float(of_all[row, column]) for of_all in found.elasticities.values())
            cells = ("" if np.isnan(value) else f"{value:.6g}" for value in values)
            writer.writerow([gauge, quantity.kind, quantity.name, quantity.change, *cells])
    with written_whole(path) as stream:
        stream.write(text.getvalue().encode())
