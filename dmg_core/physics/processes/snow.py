"""Snow: accumulation, melt, refreezing and the water a pack cannot hold."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity
from dmg_core.physics.processes.reverse import first_of_least


def snow(op: Operations) -> Function:
    """Degree-day snow routine: accumulation, melt, refreezing and the water a pack cannot hold.

    The equation takes the rates ``P`` (mm/d) and the temperature ``T`` (°C) and returns ``SP, MW, rain, outflow``.
    """
    minimum, maximum, where = op.minimum, op.maximum, op.where

    def equation(SP: Quantity, MW: Quantity, P: Quantity, T: Quantity, TT: Quantity, p: Quantity, dt: float) -> tuple[Quantity, ...]:
        rain = where(T >= TT, P, 0.0)
        SP = SP + (P - rain) * dt

        melt = minimum(maximum(p.CFMAX * (T - TT), 0.0), SP / dt)
        SP, MW = SP - melt * dt, MW + melt * dt

        refreeze = minimum(maximum(p.CFR * p.CFMAX * (TT - T), 0.0), MW / dt)
        SP, MW = SP + refreeze * dt, MW - refreeze * dt

        surplus = maximum(MW - p.CWH * SP, 0.0)
        return SP, MW - surplus, rain, surplus / dt

    return op.compiled(equation)


def snow_adjoint(op: Operations) -> Function:
    """Reverse of :func:`snow`.

    The equation takes what the forward one takes and the sensitivities of a result to ``SP``, ``MW`` and ``outflow``; it returns those to
    ``SP``, ``MW``, ``TT``, ``CFMAX``, ``CFR`` and ``CWH``.
    """
    minimum, maximum, where, least = op.minimum, op.maximum, op.where, first_of_least(op)

    def equation(
        SP: Quantity,
        MW: Quantity,
        P: Quantity,
        T: Quantity,
        TT: Quantity,
        p: Quantity,
        dt: float,
        dSP: Quantity,
        dMW: Quantity,
        doutflow: Quantity,
    ) -> tuple[Quantity, ...]:
        SP = SP + where(T >= TT, 0.0, P) * dt
        degree_days = p.CFMAX * (T - TT)
        melt = minimum(maximum(degree_days, 0.0), SP / dt)
        wet = MW + melt * dt
        freezing = p.CFR * p.CFMAX * (TT - T)
        refreeze = minimum(maximum(freezing, 0.0), wet / dt)
        pack, water = SP - melt * dt + refreeze * dt, wet - refreeze * dt

        dsurplus = where(water - p.CWH * pack >= 0.0, doutflow / dt - dMW, 0.0)
        dMW, dSP, dCWH = dMW + dsurplus, dSP - p.CWH * dsurplus, -pack * dsurplus

        share = least(maximum(freezing, 0.0), wet / dt)
        drefreeze = (dSP - dMW) * dt
        dMW = dMW + (1.0 - share) * drefreeze / dt
        dfreezing = where(freezing >= 0.0, share * drefreeze, 0.0)

        share = least(maximum(degree_days, 0.0), SP / dt)
        dmelt = (dMW - dSP) * dt
        dSP = dSP + (1.0 - share) * dmelt / dt
        ddegree_days = where(degree_days >= 0.0, share * dmelt, 0.0)

        dTT = p.CFR * p.CFMAX * dfreezing - p.CFMAX * ddegree_days
        dCFMAX = (p.CFR * dfreezing - ddegree_days) * (TT - T)
        return dSP, dMW, dTT, dCFMAX, p.CFMAX * (TT - T) * dfreezing, dCWH

    return op.compiled(equation)
