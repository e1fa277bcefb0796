"""How well a simulated flow follows an observed one.

Every function takes ``simulated`` and ``observed``, array-like of shape (T,) or (T, B), in the same unit, and gives one number per column,
a float or an array (B,), without unit where it does not say otherwise. Times at which either is not finite are left out. NaN means that the
number is not defined: fewer than two times, or observations that do not vary.

Four look at simulated flows of unobserved times all the same, because the public framework whose figures are met here does: ``bias_rel``,
``rmse_ub``, ``rmse_fdc`` and ``d_max`` (with ``d_max_rel``). With complete observations that makes no difference; with gaps, do not
compare their values between basins.

:data:`METRICS` holds all of these by their names. Those of distributions, members or quantiles, are in
:mod:`dmg_core.metrics.probabilistic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from numpy.typing import ArrayLike

from dmg_core.metrics.agreement import corr, corr_spearman, kge, kge_12, nse, r2
from dmg_core.metrics.deviation import bias, bias_rel, mae, pbias, pbias_abs, rmse, rmse_ub
from dmg_core.metrics.probabilistic import (
    central_bands,
    coverage,
    crps_of_members,
    crps_of_quantiles,
    level_weights,
    pinball,
    pit_of_members,
    pit_of_quantiles,
    reliability_index,
    scores_of_quantiles,
    width,
)
from dmg_core.metrics.regimes import (
    d_max,
    d_max_rel,
    fhv,
    fhv_abs,
    flv,
    flv_abs,
    pbias_abs_mid,
    pbias_mid,
    rmse_fdc,
    rmse_high,
    rmse_low,
    rmse_mid,
)

Metric = Callable[[ArrayLike, ArrayLike], Any]

METRICS: Final[Mapping[str, Metric]] = {
    "bias": bias,
    "bias_rel": bias_rel,
    "rmse": rmse,
    "rmse_ub": rmse_ub,
    "rmse_fdc": rmse_fdc,
    "mae": mae,
    "corr": corr,
    "corr_spearman": corr_spearman,
    "r2": r2,
    "nse": nse,
    "flv": flv,
    "fhv": fhv,
    "pbias": pbias,
    "pbias_mid": pbias_mid,
    "flv_abs": flv_abs,
    "fhv_abs": fhv_abs,
    "pbias_abs": pbias_abs,
    "pbias_abs_mid": pbias_abs_mid,
    "kge": kge,
    "kge_12": kge_12,
    "rmse_low": rmse_low,
    "rmse_mid": rmse_mid,
    "rmse_high": rmse_high,
    "d_max": d_max,
    "d_max_rel": d_max_rel,
}
"""Every metric by its name."""

__all__ = [
    "METRICS",
    "Metric",
    "bias",
    "bias_rel",
    "central_bands",
    "corr",
    "corr_spearman",
    "coverage",
    "crps_of_members",
    "crps_of_quantiles",
    "d_max",
    "d_max_rel",
    "fhv",
    "fhv_abs",
    "flv",
    "flv_abs",
    "kge",
    "kge_12",
    "level_weights",
    "mae",
    "nse",
    "pbias",
    "pbias_abs",
    "pbias_abs_mid",
    "pbias_mid",
    "pinball",
    "pit_of_members",
    "pit_of_quantiles",
    "r2",
    "reliability_index",
    "rmse",
    "rmse_fdc",
    "rmse_high",
    "rmse_low",
    "rmse_mid",
    "rmse_ub",
    "scores_of_quantiles",
    "width",
]
