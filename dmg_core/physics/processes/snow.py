"""Snow: accumulation, melt, refreezing and the water a pack cannot hold."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity


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
