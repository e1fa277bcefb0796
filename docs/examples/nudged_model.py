"""Your own method inside ngen: a BMI class that corrects itself, called in ngen's order.

In the realization: ``"python_type": "nudged_model.NudgedModel"``, and ``"module_path"`` the folder of this file. ngen makes an object for
each catchment, sets its inputs, calls ``update`` for an hour and reads its outputs; what is done here is done at the end of ``update``.

The observed flow of a catchment, mm/d, is in ``observed/<catchment>.csv`` in the working directory: ``2020-01-31,1.23`` a line.
"""

import csv
from pathlib import Path

import numpy as np

from bmi_dmg import BmiDeltaModel

STORES = ("state::upper_zone", "state::lower_zone")
RUNOFF = "land_surface_water__runoff_depth"  # m in an hour
STRENGTH, MOST = 0.5, 1.5  # share of a deviation that is taken back at once, and the largest factor


class NudgedModel(BmiDeltaModel):
    """Groundwater follows observed flow: where too little flows, both zones are filled up by a part of what is lacking."""

    __slots__ = ("_observed",)

    def initialize(self, config_file):
        """Read what was observed, if anything was."""
        super().initialize(config_file)
        path = Path("observed") / f"{self.stepper.catchment_id}.csv"
        rows = csv.reader(path.read_text().splitlines()) if path.is_file() else ()
        self._observed = {day: float(value) for day, value in rows}

    def update(self):
        """Take an hour; correct the stores once a day is over that was observed."""
        super().update()
        time = self.stepper.time  # the start of the next hour
        if time.hour:
            return
        value = self._observed.get(str(np.datetime64(time, "D") - 1))
        simulated = 24000.0 * self.get_value_ptr(RUNOFF)[0]
        if value is None or simulated <= 0.0:
            return
        factor = np.clip((value / simulated) ** STRENGTH, 1.0 / MOST, MOST)
        for name in STORES:
            self.set_value(name, factor * self.get_value_ptr(name))
