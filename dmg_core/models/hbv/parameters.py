"""Parameters of the HBV family, in the order of the network's outputs, with the ranges of the published models.

Feng et al. (2022) for 1.0, Song et al. (2024) for 1.1p and the members in rates, Song et al. (2025) for 2.0, Yang et al. (2026) for the
hourly models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dmg_core.models.process_model import Parameter

BETA = Parameter("parBETA", 1.0, 6.0, "1", "shape of the recharge curve")
FC = Parameter("parFC", 50.0, 1000.0, "mm", "field capacity, the largest soil moisture")
K0 = Parameter("parK0", 0.05, 0.9, "1/d", "recession of near-surface flow")
K1 = Parameter("parK1", 0.01, 0.5, "1/d", "recession of interflow")
K2 = Parameter("parK2", 0.001, 0.2, "1/d", "recession of baseflow")
LP = Parameter("parLP", 0.2, 1.0, "1", "share of field capacity above which evapotranspiration is potential")
PERC = Parameter("parPERC", 0.0, 10.0, "mm/d", "largest percolation from the upper to the lower zone")
UZL = Parameter("parUZL", 0.0, 100.0, "mm", "upper-zone storage above which near-surface flow starts")
TT = Parameter("parTT", -2.5, 2.5, "degC", "temperature that divides snow from rain")
CFMAX = Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d", "degree-day factor of snow melt")
CFR = Parameter("parCFR", 0.0, 0.1, "1", "refreezing, as a share of the degree-day factor")
CWH = Parameter("parCWH", 0.0, 0.2, "1", "meltwater the snowpack holds, as a share of its ice")
BETAET = Parameter("parBETAET", 0.3, 5.0, "1", "shape of the evapotranspiration curve")
C = Parameter("parC", 0.0, 1.0, "1/d", "capillary rise from the lower zone into dry soil")
NDC = Parameter("parNDC", 0.05, 0.95, "1", "share of field capacity below which soil draws groundwater")
RT = Parameter("parRT", 0.0, 20.0, "mm/d", "largest regional groundwater exchange")
AC = Parameter("parAC", 0.0, 2500.0, "km2", "upstream area below which groundwater is lost to the region")
F0 = Parameter("parF0", 120.0, 2880.0, "mm/d", "infiltration capacity of dry soil")
FMIN = Parameter("parFMIN", 0.0, 1.0, "1", "infiltration capacity of wet soil, as a share of that of dry soil")
ALPHA = Parameter("parALPHA", 0.5, 5.0, "1", "shape of the decline of infiltration capacity with wetness")
KS = Parameter("parKS", 0.05, 10.0, "1/d", "recession of infiltration excess")

#: In 1.0 the evapotranspiration curve is straight unless the network bends it in time.
STRAIGHT_BETAET = replace(BETAET, constant=1.0)
#: Near-surface flow of 2.1 may empty its store within two hours.
FAST_K0 = replace(K0, high=12.0)
#: In 2.1 ``ALPHA`` is the shape of a distribution over the catchment.
AREA_ALPHA = replace(ALPHA, high=1.0, meaning="shape of the distribution of infiltration capacity over the catchment")

_COMMON = (BETA, FC, K0, K1, K2, LP, PERC, UZL, TT, CFMAX, CFR, CWH)

HBV_10: tuple[Parameter, ...] = (*_COMMON, STRAIGHT_BETAET)
HBV_11P: tuple[Parameter, ...] = (*_COMMON, BETAET, C)
HBV_RATES: tuple[Parameter, ...] = (*_COMMON, BETAET)
HBV_RATES_CAPILLARY: tuple[Parameter, ...] = (*HBV_RATES, C, NDC)
HBV_20: tuple[Parameter, ...] = (*HBV_11P, RT, AC)
HBV_20_HOURLY: tuple[Parameter, ...] = (*HBV_20, F0, FMIN, ALPHA)
HBV_21_HOURLY: tuple[Parameter, ...] = (*(FAST_K0 if parameter is K0 else parameter for parameter in HBV_20), F0, AREA_ALPHA, KS)

#: What the parameters of a catchment in a humid temperate climate are like, and shape and time scale of its unit hydrograph.
TYPICAL: Final = {
    "parBETA": 1.6,
    "parFC": 220.0,
    "parK0": 0.35,
    "parK1": 0.1,
    "parK2": 0.03,
    "parLP": 0.8,
    "parPERC": 1.4,
    "parUZL": 15.0,
    "parTT": 0.0,
    "parCFMAX": 3.0,
    "parCFR": 0.05,
    "parCWH": 0.1,
    "parBETAET": 2.0,
    "parC": 0.01,
    "parRT": 0.05,
    "parAC": 500.0,
    "parF0": 600.0,
    "parFMIN": 0.3,
    "parALPHA": 2.0,
    "route_a": 1.4,
    "route_b": 0.3,
}

#: Those of the daily model that vary most with the weather.
VARYING: Final = ("parBETA", "parK0", "parBETAET")
