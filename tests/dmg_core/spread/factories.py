"""Flow that is off by as much as a known distribution says, and a spread made by hand."""

from __future__ import annotations

import numpy as np

from dmg_core.spread import Sample, Spread, calibrate
from dmg_core.spread.calibrating import OFFSET

#: Quantiles of the standard normal distribution (Abramowitz & Stegun, table 26.5).
NORMAL = {0.05: -1.6448536, 0.25: -0.6744898, 0.5: 0.0, 0.75: 0.6744898, 0.95: 1.6448536}


def lognormal_sample(basins: int = 40, days: int = 800, seed: int = 0, *, deviation: float = 0.4) -> Sample:
    """Observed flow is the simulated one, plus the offset, times a lognormal number whose deviation grows with an attribute."""
    rng = np.random.default_rng(seed)
    wetness, dryness = rng.uniform(-1.0, 1.0, basins), rng.uniform(-0.8, 0.8, basins)
    simulated = np.exp(0.8 * wetness + rng.normal(0.0, 1.0, (days, basins)))
    factor = np.exp(deviation * np.exp(dryness) * rng.normal(size=simulated.shape))
    observed = np.maximum((simulated + OFFSET) * factor - OFFSET, 0.0)
    observed[rng.random(observed.shape) < 0.05] = np.nan
    return Sample(simulated, observed, {"wetness": wetness, "dryness": dryness, "same": np.ones(basins)})


def small_spread(attributes: dict[str, np.ndarray] | None = None, *, model: str = "") -> Spread:
    """Give a spread calibrated on few made days, of attributes that are given by name."""
    sample = lognormal_sample(30, 60)
    rng = np.random.default_rng(1)
    values = {name: rng.uniform(0.5, 2.0, 30) * np.mean(value) for name, value in (attributes or {}).items()}
    return calibrate(Sample(sample.simulated, sample.observed, values), model=model, levels=tuple(NORMAL))
