"""Photosynthesis of leaves: C3 and C4, with the conductance of stomata and boundary layer, and the stress of a dry soil.

No sample knows of another: there are no stores, and time plays no part. The equations are those of the land models CLM and FATES. Symbols
are the literature's: ``A`` assimilation and ``gs`` conductance, µmol m⁻² s⁻¹; ``Vc``, ``Jmax``, ``kp`` capacities and ``Rd`` respiration,
µmol m⁻² s⁻¹; ``Ci``, ``Cs`` CO₂ in the leaf and at its surface, ``Kc``, ``Ko`` and ``Γ`` (``compensation``), Pa; ``T`` temperature of the
leaf, K; ``P`` pressure of the air, Pa.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from dmg_core.citations import ABOELYAZEED_2023, FARQUHAR_1980
from dmg_core.deferred import torch
from dmg_core.models.process_model import PROCESS_MODELS, Attribute, Flux, Forcing, Parameter, ProcessModel, Quantity
from dmg_core.models.solving import solve

#: Gas constant, J mol⁻¹ K⁻¹; 25 °C and 0 °C, K.
GAS: Final = 8.3144598
WARM: Final = 298.15
FREEZING: Final = 273.15

#: Share of oxygen in the air.
OXYGEN: Final = 0.209

#: How closely the lower of two limiting rates is followed (Collatz et al. 1991), and light by electron transport.
CURVATURE: Final = 0.999
LIGHT_CURVATURE: Final = 0.7

#: Quanta absorbed per photon that reach photosystem II: 15 % are lost, and each electron needs two.
ABSORBED: Final = 0.5 * (1.0 - 0.15)

#: Bounds within which CO₂ in the leaf is looked for, Pa.
LEAST_CI: Final = 1e-3
LARGEST_CI: Final = 1000.0

#: CO₂ in the leaf as a share of that at its surface where the leaf respires more than it assimilates.
START_C3: Final = 0.7
START_C4: Final = 0.4

#: Least humidity deficit, kPa, and square in a root.
LEAST_VPD: Final = 0.05
LEAST_SQUARE: Final = 1e-24

#: Layers of the soil.
LAYERS: Final = 5

_LAYERS: Final = tuple(range(1, LAYERS + 1))


class Capacities(NamedTuple):
    """What a leaf can do at its temperature."""

    Vc: Quantity
    """Carboxylation."""
    Jmax: Quantity
    """Electron transport."""
    kp: Quantity
    """Initial slope of the response to CO₂ of C4 plants."""
    Rd: Quantity
    """Respiration."""


class Enzyme(NamedTuple):
    """Constants of Rubisco, Pa."""

    Kc: Quantity
    """Michaelis–Menten constant for CO₂."""
    Ko: Quantity
    """That for oxygen."""
    compensation: Quantity
    """CO₂ at which carboxylation and photorespiration are equal."""


@PROCESS_MODELS.register("Photosynthesis")
class Photosynthesis(ProcessModel):
    """Leaf photosynthesis with Medlyn's conductance, as in CLM5 and FATES (Aboelyazeed et al. 2023, Biogeosciences 20, 2671–2692).

    Assimilation is limited by carboxylation, by light and, in C4 plants, by the supply of CO₂ (Farquhar, von Caemmerer and Berry 1980;
    Collatz et al. 1991, 1992); capacities depend on temperature (Bonan et al. 2011)::

        C3: Ac = Vc (Ci - Γ)⁺ / (Ci + Kc (1 + O/Ko)),   Aj = Je (Ci - Γ)⁺ / (4 Ci + 8 Γ)
        C4: Ac = Vc,   Aj = 0.05 PAR,   Ap = kp Ci / P
        A  = min(Ac, Aj[, Ap]) - Rd        with rounded corners

    Stomata open as assimilation asks for and dry air allows (Medlyn et al. 2011), behind the boundary layer of the leaf::

        gs² - (2 (g0 + t) + (g1 t)² / (gb D)) gs + g0² + (2 g0 + t (1 - g1²/D)) t = 0,   t = 1.6 A P / Cs

    CO₂ in the leaf is where supply and demand meet, and is solved for::

        Ci = Cs - 1.6 A P / gs

    Where a leaf respires more than it assimilates, Ci is 0.7 Cs (C4: 0.4 Cs) and gs is g0. A dry soil lowers Vc and g0 by ``btran``, the
    mean over its layers, weighted by roots, of how far their water potential ψ is from that at which stomata are closed (CLM4.5, Oleson et
    al. 2013)::

        btran = Σ r clamp((ψc - ψ) / (ψc - ψo), 0, 1),   ψ = max(ψs s^-B, ψc)
    """

    citations = (
        ABOELYAZEED_2023,
        FARQUHAR_1980,
    )
    steps_per_day = 24  # where it is stepped through time: no leaf lives on the mean light of a day

    forcings = (
        Forcing("leaf_temperature", "degC", meaning="temperature of the leaf", least=-60.0, largest=70.0),
        Forcing("air_temperature", "degC", meaning="temperature of the air", least=-90.0, largest=60.0),
        Forcing("pressure", "Pa", meaning="pressure of the air", least=3e4, largest=1.2e5),
        Forcing("par", "umol m-2 s-1", meaning="photosynthetically active radiation on the leaf", least=0.0, largest=3500.0),
        Forcing("co2", "ppm", meaning="CO2 at the surface of the leaf", least=1.0, largest=5000.0),
        Forcing("vpd", "kPa", meaning="deficit of water vapour between leaf and air", least=0.0, largest=15.0),
        Forcing("boundary_conductance", "mol m-2 s-1", meaning="conductance of the leaf's boundary layer", least=1e-3, largest=1e6),
        Forcing("lai", "m2 m-2", meaning="leaf area; without any, nothing is assimilated", least=0.0, largest=20.0),
        *(Forcing(f"wetness_{n}", "1", meaning=f"water in soil layer {n}, of its pores", least=0.0, largest=1.0) for n in _LAYERS),
    )
    parameters = (
        Parameter("parVcmax25", 5.0, 200.0, "umol m-2 s-1", "carboxylation capacity at 25 °C"),
        *(Parameter(f"parB{n}", 1.5, 15.0, "1", f"exponent of water retention of soil layer {n}") for n in _LAYERS),
    )
    attributes = (
        Attribute("c4", "1", "1 of C4 plants, 0 of C3 plants"),
        Attribute("g1", "kPa0.5", "slope of Medlyn's conductance"),
        Attribute("psi_open", "mm", "water potential of the soil at which stomata are open"),
        Attribute("psi_closed", "mm", "water potential of the soil at which stomata are closed"),
        Attribute("sand", "%", "sand in the soil"),
        Attribute("organic_matter", "%", "organic matter in the soil"),
        *(Attribute(f"roots_{n}", "1", f"share of the roots in soil layer {n}") for n in _LAYERS),
    )
    fluxes = (
        Flux("net_assimilation", "umol m-2 s-1", "CO2 assimilated less respired"),
        Flux("stomatal_conductance", "mol m-2 s-1", "conductance of the stomata to water vapour"),
        Flux("internal_co2", "Pa", "CO2 in the leaf"),
        Flux("carboxylation_limited", "umol m-2 s-1", "net assimilation if carboxylation alone limited it"),
        Flux("light_limited", "umol m-2 s-1", "net assimilation if light alone limited it"),
        Flux("respiration", "umol m-2 s-1", "CO2 respired by the leaf"),
        Flux("water_stress", "1", "share of the capacity that a dry soil leaves"),
    )

    def site(self, a: Quantity) -> Mapping[str, torch.Tensor]:
        """Give the attributes, and in place of the soil's composition its water potential at saturation."""
        given = dict(super().site(a))
        psi_saturated = saturated_potential(given.pop("sand"), given.pop("organic_matter"))
        return {**given, "psi_saturated": psi_saturated}

    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Give what a leaf does at one moment; see the class for the equations."""
        is_c4 = x.c4 > 0.5
        T = x.leaf_temperature + FREEZING
        Cs = x.co2 * 1e-6 * x.pressure
        btran = water_stress(p, x)
        lit = x.par > 0.0
        capacities = _chosen(is_c4, capacities_c4(p.Vcmax25, T, btran), capacities_c3(p.Vcmax25, T, btran))
        Vc, Jmax, kp = (torch.where(lit, each, 0.0) for each in capacities[:3])
        enzyme = enzyme_at(T, x.pressure)
        Je = electron_transport(x.par, Jmax)
        g0 = least_conductance(is_c4, btran, x.pressure, x.air_temperature + FREEZING)
        gb = 1e6 * x.boundary_conductance

        def assimilation(Ci: Quantity) -> Quantity:
            c3, c4 = gross_c3(Ci, Vc, Je, enzyme, x.pressure), gross_c4(Ci, Vc, x.par, kp, x.pressure)
            return torch.where(is_c4, c4, c3) - capacities.Rd

        def conductance(A: Quantity) -> Quantity:
            return medlyn(A, x.pressure / Cs, g0, x.g1, gb, x.vpd)

        def surplus(Ci: Quantity) -> Quantity:
            A = assimilation(Ci)
            return Ci - Cs + 1.6 * A * x.pressure / conductance(A)

        start = torch.where(is_c4, START_C4 * Cs, START_C3 * Cs)
        respires = assimilation(start) < 0.0
        Ci = torch.where(respires, start, solve(surplus, LEAST_CI, LARGEST_CI))
        A, leafy = assimilation(Ci), x.lai > 0.0
        by_carboxylation, by_light = limits_c3(Ci, Vc, Je, enzyme, x.pressure)
        return {}, {
            "net_assimilation": torch.where(leafy, A, 0.0),
            "stomatal_conductance": 1e-6 * torch.where(leafy, conductance(A), g0),
            "internal_co2": Ci,
            "carboxylation_limited": torch.where(leafy, torch.where(is_c4, Vc, by_carboxylation) - capacities.Rd, 0.0),
            "light_limited": torch.where(leafy, torch.where(is_c4, light_limit_c4(x.par), by_light) - capacities.Rd, 0.0),
            "respiration": torch.where(leafy, capacities.Rd, 0.0),
            "water_stress": btran,
        }


def _chosen(condition: Quantity, first: Capacities, second: Capacities) -> Capacities:
    return Capacities(*(torch.where(condition, one, other) for one, other in zip(first, second, strict=True)))


def activation(T: Quantity, energy: float) -> Quantity:
    """Growth with temperature by Arrhenius, 1 at 25 °C: ``exp(h / (R 298.15) (1 - 298.15 / T))``, ``h`` in J mol⁻¹."""
    return torch.exp(energy / (GAS * WARM) * (1.0 - WARM / T))


def inhibition(T: Quantity, energy: float, entropy: float) -> Quantity:
    """Loss at high temperatures, 1 at 25 °C; energy in J mol⁻¹ and entropy in J mol⁻¹ K⁻¹ (Leuning 2002)."""
    at_25 = 1.0 + math.exp((WARM * entropy - energy) / (WARM * GAS))
    return at_25 / (1.0 + torch.exp((entropy * T - energy) / (GAS * T)))


def enzyme_at(T: Quantity, P: Quantity) -> Enzyme:
    """Constants of Rubisco (Bernacchi et al. 2001)."""
    return Enzyme(
        Kc=404.9e-6 * P * activation(T, 79430.0),
        Ko=278.4e-3 * P * activation(T, 36380.0),
        compensation=42.75e-6 * P * activation(T, 37830.0),
    )


def capacities_c3(Vcmax25: Quantity, T: Quantity, btran: Quantity) -> Capacities:
    """Capacities of a C3 leaf (Bonan et al. 2011); there is no ``kp``."""
    return Capacities(
        Vc=Vcmax25 * activation(T, 65330.0) * inhibition(T, 149250.0, 485.0) * btran,
        Jmax=1.67 * Vcmax25 * activation(T, 43540.0) * inhibition(T, 152040.0, 495.0),
        kp=0.0 * Vcmax25,
        Rd=0.015 * Vcmax25 * activation(T, 46390.0) * inhibition(T, 150650.0, 490.0),
    )


def capacities_c4(Vcmax25: Quantity, T: Quantity, btran: Quantity) -> Capacities:
    """Capacities of a C4 leaf (Collatz et al. 1992); there is no ``Jmax``."""
    growth = torch.exp(math.log(2.0) * (T - WARM) / 10.0)
    cold, hot = 1.0 + torch.exp(0.2 * (288.15 - T)), 1.0 + torch.exp(0.3 * (T - 313.15))
    return Capacities(
        Vc=Vcmax25 * growth / cold / hot * btran,
        Jmax=0.0 * Vcmax25,
        kp=20000.0 * Vcmax25 * growth,
        Rd=0.025 * Vcmax25 * growth / (1.0 + torch.exp(1.3 * (T - 328.15))),
    )


def smaller_root(a: float, b: Quantity, c: Quantity) -> Quantity:
    """Smaller root of ``a x² - b x + c`` for ``b, c ≥ 0``, without cancellation; 0 where both are."""
    return 2.0 * c / (b + torch.sqrt(torch.clamp(b * b - 4.0 * a * c, min=LEAST_SQUARE)))


def electron_transport(par: Quantity, Jmax: Quantity) -> Quantity:
    """Electron transport in light ``par``: ``0.7 J² - (q + Jmax) J + q Jmax = 0``."""
    light = ABSORBED * par
    return smaller_root(LIGHT_CURVATURE, light + Jmax, light * Jmax)


def limits_c3(Ci: Quantity, Vc: Quantity, Je: Quantity, enzyme: Enzyme, P: Quantity) -> tuple[Quantity, Quantity]:
    """Gross assimilation of a C3 leaf as carboxylation, and as light would have it (Farquhar et al. 1980)."""
    above = torch.clamp(Ci - enzyme.compensation, min=0.0)
    Ac = Vc * above / (Ci + enzyme.Kc * (1.0 + OXYGEN * P / enzyme.Ko))
    Aj = Je * above / (4.0 * Ci + 8.0 * enzyme.compensation)
    return Ac, Aj


def gross_c3(Ci: Quantity, Vc: Quantity, Je: Quantity, enzyme: Enzyme, P: Quantity) -> Quantity:
    """Gross assimilation of a C3 leaf."""
    Ac, Aj = limits_c3(Ci, Vc, Je, enzyme, P)
    return smaller_root(CURVATURE, Ac + Aj, Ac * Aj)


def light_limit_c4(par: Quantity) -> Quantity:
    """Gross assimilation of a C4 leaf as light would have it: a twentieth of the photons."""
    return 0.05 * torch.clamp(par, min=0.0)


def gross_c4(Ci: Quantity, Vc: Quantity, par: Quantity, kp: Quantity, P: Quantity) -> Quantity:
    """Gross assimilation of a C4 leaf (Collatz et al. 1992)."""
    Aj, Ap = light_limit_c4(par), kp * torch.clamp(Ci, min=0.0) / P
    Ai = smaller_root(CURVATURE, Vc + Aj, Vc * Aj)
    return smaller_root(CURVATURE, Ai + Ap, Ai * Ap)


def least_conductance(is_c4: Quantity, btran: Quantity, P: Quantity, T_air: Quantity) -> Quantity:
    """Conductance of closed stomata, µmol m⁻² s⁻¹; a leaf is never quite tight (resistance of 2·10⁸ s m⁻¹)."""
    molar = P / (GAS * T_air) * 1e6
    return torch.maximum(torch.where(is_c4, 40000.0, 10000.0) * btran, molar / 2e8)


def medlyn(A: Quantity, P_over_Cs: Quantity, g0: Quantity, g1: Quantity, gb: Quantity, vpd: Quantity) -> Quantity:
    """Conductance of stomata behind a boundary layer, µmol m⁻² s⁻¹ (Medlyn et al. 2011, Global Change Biology 17, 2134–2144)."""
    D = torch.clamp(vpd, min=LEAST_VPD)
    t = 1.6 * torch.clamp(A, min=0.0) * P_over_Cs
    half = g0 + t + (g1 * t) * (g1 * t) / (2.0 * gb * D)
    product = g0 * g0 + (2.0 * g0 + t * (1.0 - g1 * g1 / D)) * t
    square = half * half - product
    root = torch.sqrt(torch.clamp(square, min=LEAST_SQUARE))
    return torch.where((A > 0.0) & (square > 0.0), half + root, g0)


def saturated_potential(sand: torch.Tensor, organic_matter: torch.Tensor) -> torch.Tensor:
    """Water potential of a saturated soil, mm, from sand and organic matter in % (Cosby et al. 1984; Lawrence and Slater 2008)."""
    organic = organic_matter / 100.0
    return -10.0 * 10.0 ** (1.88 - 0.0131 * sand) * (1.0 - organic) - 10.3 * organic


def water_stress(p: Quantity, x: Quantity) -> Quantity:
    """Share of the capacity that the soil leaves, ``btran``, from 0 to 1 (CLM4.5, Oleson et al. 2013)."""
    total: Quantity = 0.0
    for n in _LAYERS:
        B, wetness, roots = (getattr(of, f"{name}{n}") for of, name in ((p, "B"), (x, "wetness_"), (x, "roots_")))
        psi = torch.maximum(x.psi_saturated * torch.clamp(wetness, min=0.01) ** -B, x.psi_closed)
        total = total + roots * torch.clamp((x.psi_closed - psi) / (x.psi_closed - x.psi_open), 0.0, 1.0)
    return total
