"""Yesterday's observed flow corrects today's stores: a variational analysis in a moving window, and forecasts from it."""

from dmg_core.assimilation.analysis import Analysis, analyse
from dmg_core.assimilation.applying import go_on_from
from dmg_core.assimilation.cost import Cost, Start
from dmg_core.assimilation.following import follow
from dmg_core.assimilation.gauge_windows import GaugeWindows
from dmg_core.assimilation.gauged_run import GaugedRun
from dmg_core.assimilation.hindcast import Hindcast, HindcastSettings, hindcast, hindcast_run
from dmg_core.assimilation.open_loop import OpenLoop, run_open_loop
from dmg_core.assimilation.output_error import OutputError, fit_output_error
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Run, Windows

__all__ = [
    "Analysis",
    "AnalysisSettings",
    "Cost",
    "GaugeWindows",
    "GaugedRun",
    "Hindcast",
    "HindcastSettings",
    "OpenLoop",
    "OutputError",
    "Run",
    "Start",
    "Windows",
    "analyse",
    "fit_output_error",
    "follow",
    "go_on_from",
    "hindcast",
    "hindcast_run",
    "run_open_loop",
]
