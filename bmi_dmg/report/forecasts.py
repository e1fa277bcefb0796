"""How good forecasts after assimilation were, where a run folder has any (``bmi-dmg assimilate``)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

from bmi_dmg.assimilating.write import ASSIMILATED, LEADS_NAME
from dmg_core.assimilation.hindcast import KINDS
from dmg_core.errors import ConfigError

#: Leads that a page has columns for, days.
TOLD: Final = (1, 2, 3, 5, 10)
#: Score of the table of leads -> what it is called.
SCORES: Final = {"nse[1]": "NSE", "kge[1]": "KGE", "volume_bias[%]": "bias of the volume, %"}


def assimilation_facts(run_folder: Path) -> dict[str, Any] | None:
    """Give the scores by lead, ready for JSON: medians of the gauges; None where nothing was assimilated.

    Raises
    ------
    ConfigError
        If the table has been damaged.
    """
    path = run_folder / ASSIMILATED / LEADS_NAME
    if not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.DictReader(stream))
        per_day = 24 if "lead_hours" in lines[0] else 1
        lead = "lead_hours" if per_day > 1 else "lead_days"
        by_place = {(line["forecast"], int(line[lead])): line for line in lines}
        days = [day for day in TOLD if (next(iter(KINDS)), day * per_day) in by_place]
        rows = [
            {"score": label, "forecast": words, "values": [_number(by_place[kind, day * per_day][score]) for day in days]}
            for score, label in SCORES.items()
            for kind, words in KINDS.items()
        ]
    except (OSError, ValueError, KeyError, IndexError, csv.Error) as error:
        raise ConfigError(f"{path}: not readable as a table of scores by lead: {error}; assimilate again, or remove it") from error
    return {"leads": days, "rows": rows}


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
