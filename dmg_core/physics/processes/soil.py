"""Soil: infiltration capacity, recharge and evapotranspiration."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity


def infiltration(op: Operations) -> Function:
    """Infiltration capacity that declines with wetness (hourly models): returns ``infiltration, excess``, mm/d."""
    minimum, maximum, clip, power = op.minimum, op.maximum, op.clip, op.power

    def equation(W: Quantity, SM: Quantity, p: Quantity) -> tuple[Quantity, Quantity]:
        wetness = clip(SM / p.FC, 0.0, 0.99)
        wet_capacity = p.FMIN * p.F0
        capacity = wet_capacity + (p.F0 - wet_capacity) * power(1.0 - wetness, p.ALPHA)
        return minimum(W, capacity), maximum(W - capacity, 0.0)

    return op.compiled(equation)


def soil(op: Operations) -> Function:
    """Share the water that enters the soil between storage and recharge: returns ``SM, recharge, excess``."""
    maximum, clip, power = op.maximum, op.clip, op.power

    def equation(SM: Quantity, W: Quantity, p: Quantity, dt: float) -> tuple[Quantity, Quantity, Quantity]:
        recharge = W * clip(power(SM / p.FC, p.BETA), 0.0, 1.0)
        SM = SM + (W - recharge) * dt
        excess = maximum(SM - p.FC, 0.0)
        return SM - excess, recharge, excess / dt

    return op.compiled(equation)


def evapotranspiration(op: Operations) -> Function:
    """Evapotranspiration from the soil: returns ``SM, ET, factor, created``; ``created`` (mm) is what the clamp added."""
    minimum, maximum, clip, power = op.minimum, op.maximum, op.clip, op.power

    def equation(SM: Quantity, PET: Quantity, p: Quantity, dt: float, nz: float) -> tuple[Quantity, ...]:
        factor = clip(power(SM / (p.LP * p.FC), p.BETAET), 0.0, 1.0)
        ET = minimum(SM / dt, PET * factor)
        left = SM - ET * dt
        SM = maximum(left, nz)
        return SM, ET, factor, SM - left

    return op.compiled(equation)
