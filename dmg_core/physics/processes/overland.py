"""The surface: what enters the soil and what runs off over it, in each member of the family."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity
from dmg_core.physics.processes.soil import infiltration, infiltration_adjoint, soil, soil_adjoint

#: Wetness of the soil, as a share of its field capacity, beyond which the saturated area does not grow.
WETTEST = 1.0 - 1e-4

#: Share of the largest infiltration capacity below which water counts as none: a power wants a positive number.
LEAST_SHARE = 1e-12


def varied_infiltration(op: Operations) -> Function:
    """Infiltration capacity that varies over the catchment (2.1): returns ``SM, recharge, excess, runoff``.

    The saturated share of the area, ``(SM / FC)**BETA``, passes all water on as recharge. Over the rest the infiltration capacity rises
    from 0 to F0 as ``F0 x**ALPHA``, where ``x`` counts the area from 0 to 1. On the part ``0 … d`` water comes faster, and the surplus runs
    off: the integral of ``W - F0 x**ALPHA`` is ``W d - F0 d**(ALPHA + 1) / (ALPHA + 1)``, and ``F0 d**ALPHA`` is the lesser of W and F0.
    """
    minimum, maximum, clip, power = op.minimum, op.maximum, op.clip, op.power

    def equation(SM: Quantity, W: Quantity, p: Quantity, dt: float) -> tuple[Quantity, ...]:
        saturated = power(minimum(SM / p.FC, WETTEST), p.BETA)
        part = power(clip(W / p.F0, LEAST_SHARE, 1.0), 1.0 / p.ALPHA)
        recharge = W * saturated
        runoff = (1.0 - saturated) * part * (W - minimum(W, p.F0) / (p.ALPHA + 1.0))
        SM = SM + (W - recharge - runoff) * dt
        excess = maximum(SM - p.FC, 0.0)
        return SM - excess, recharge, excess / dt, runoff

    return op.compiled(equation)


def varied_infiltration_adjoint(op: Operations) -> Function:
    """Reverse of :func:`varied_infiltration`: returns the sensitivities to ``SM``, ``W``, ``FC``, ``BETA``, ``F0``, FMIN and ``ALPHA``.

    The surplus does not hang on the end of the part it is integrated over, where it is zero.
    """
    minimum, clip, where, power, log = op.minimum, op.clip, op.where, op.power, op.log

    def equation(
        SM: Quantity, W: Quantity, p: Quantity, dt: float, dSM: Quantity, drecharge: Quantity, dexcess: Quantity, drunoff: Quantity
    ) -> tuple[Quantity, ...]:
        wetness = SM / p.FC
        bounded = minimum(wetness, WETTEST)
        saturated = power(bounded, p.BETA)
        share = clip(W / p.F0, LEAST_SHARE, 1.0)
        part = power(share, 1.0 / p.ALPHA)
        entering = part * minimum(W, p.F0) / (p.ALPHA + 1.0)
        surplus = part * W - entering
        full = SM + (W - W * saturated - (1.0 - saturated) * surplus) * dt >= p.FC

        dover = where(full, dexcess / dt - dSM, 0.0)
        dSM = dSM + dover
        drecharge, drunoff = drecharge - dSM * dt, drunoff - dSM * dt
        dsurplus, dsaturated = (1.0 - saturated) * drunoff, W * drecharge - surplus * drunoff
        dW = dSM * dt + saturated * drecharge + part * dsurplus
        dF0, dALPHA = -entering / p.F0 * dsurplus, entering * (1.0 / (p.ALPHA + 1.0) - log(share) / p.ALPHA) * dsurplus
        dwetness = where(wetness <= WETTEST, p.BETA * saturated / bounded * dsaturated, 0.0)
        dBETA = saturated * log(bounded) * dsaturated
        return dSM + dwetness / p.FC, dW, -dover - dwetness * wetness / p.FC, dBETA, dF0, 0.0 * W, dALPHA

    return op.compiled(equation)


def partition(op: Operations, *, hourly: bool, varied: bool) -> Function:
    """Share out rain and meltwater in the way of a member of the family: returns ``SM, recharge, excess, runoff``."""
    if varied:
        return varied_infiltration(op)
    infiltration_, soil_ = infiltration(op), soil(op)

    def equation(SM: Quantity, W: Quantity, p: Quantity, dt: float) -> tuple[Quantity, ...]:
        runoff = 0.0 * W
        if hourly:
            W, runoff = infiltration_(W, SM, p)
        SM, recharge, excess = soil_(SM, W, p, dt)
        return SM, recharge, excess, runoff

    return op.compiled(equation)


def partition_adjoint(op: Operations, *, hourly: bool, varied: bool) -> Function:
    """Reverse of :func:`partition`: returns the sensitivities to ``SM``, ``W``, ``FC``, ``BETA``, ``F0``, ``FMIN`` and ``ALPHA``."""
    if varied:
        return varied_infiltration_adjoint(op)
    infiltration_, soil_back, infiltration_back = infiltration(op), soil_adjoint(op), infiltration_adjoint(op)

    def equation(
        SM: Quantity, W: Quantity, p: Quantity, dt: float, dSM: Quantity, drecharge: Quantity, dexcess: Quantity, drunoff: Quantity
    ) -> tuple[Quantity, ...]:
        dF0 = dFMIN = dALPHA = 0.0 * W
        entering = infiltration_(W, SM, p)[0] if hourly else W
        dSM, dW, dFC, dBETA = soil_back(SM, entering, p, dt, dSM, drecharge, dexcess)
        if hourly:
            dW, by_SM, by_FC, dF0, dFMIN, dALPHA = infiltration_back(W, SM, p, dW, drunoff)
            dSM, dFC = dSM + by_SM, dFC + by_FC
        return dSM, dW, dFC, dBETA, dF0, dFMIN, dALPHA

    return op.compiled(equation)


def cascade(op: Operations) -> Function:
    """Two linear stores in series on the way of infiltration excess: returns ``SIE1, SIE2, outflow, created``.

    They are lifted to their least content first, which creates ``created`` (mm). Each gives a share of ``2 KS dt`` in a step, which the
    range of parKS keeps below 1 in an hour.
    """
    maximum = op.maximum

    def equation(SIE1: Quantity, SIE2: Quantity, inflow: Quantity, p: Quantity, dt: float, nz: float) -> tuple[Quantity, ...]:
        k = 2.0 * p.KS
        first, second = maximum(SIE1, nz), maximum(SIE2, nz)
        created = (first - SIE1) + (second - SIE2)
        first = first + inflow * dt
        between = k * first
        second = second + between * dt
        outflow = k * second
        return first - between * dt, second - outflow * dt, outflow, created

    return op.compiled(equation)


def cascade_adjoint(op: Operations) -> Function:
    """Reverse of :func:`cascade`: returns the sensitivities to ``SIE1``, ``SIE2``, ``inflow`` and ``KS``."""
    maximum, where = op.maximum, op.where

    def equation(
        SIE1: Quantity,
        SIE2: Quantity,
        inflow: Quantity,
        p: Quantity,
        dt: float,
        nz: float,
        dSIE1: Quantity,
        dSIE2: Quantity,
        doutflow: Quantity,
    ) -> tuple[Quantity, ...]:
        k = 2.0 * p.KS
        first = maximum(SIE1, nz) + inflow * dt
        second = maximum(SIE2, nz) + k * first * dt

        doutflow = doutflow - dSIE2 * dt
        dSIE2 = dSIE2 + k * doutflow
        dbetween = (dSIE2 - dSIE1) * dt
        dSIE1 = dSIE1 + k * dbetween
        dKS = 2.0 * (second * doutflow + first * dbetween)
        return where(nz <= SIE1, dSIE1, 0.0), where(nz <= SIE2, dSIE2, 0.0), dSIE1 * dt, dKS

    return op.compiled(equation)
