"""Soil: infiltration capacity, recharge and evapotranspiration."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity
from dmg_core.physics.processes.reverse import first_of_least, saturating_power


def infiltration(op: Operations) -> Function:
    """Infiltration capacity that declines with wetness (hourly models): returns ``infiltration, excess``, mm/d."""
    minimum, maximum, clip, power = op.minimum, op.maximum, op.clip, op.power

    def equation(W: Quantity, SM: Quantity, p: Quantity) -> tuple[Quantity, Quantity]:
        wetness = clip(SM / p.FC, 0.0, 0.99)
        wet_capacity = p.FMIN * p.F0
        capacity = wet_capacity + (p.F0 - wet_capacity) * power(1.0 - wetness, p.ALPHA)
        return minimum(W, capacity), maximum(W - capacity, 0.0)

    return op.compiled(equation)


def infiltration_adjoint(op: Operations) -> Function:
    """Reverse of :func:`infiltration`: returns the sensitivities to ``W``, ``SM``, ``FC``, ``F0``, ``FMIN`` and ``ALPHA``."""
    clip, where, power, log, least = op.clip, op.where, op.power, op.log, first_of_least(op)

    def equation(W: Quantity, SM: Quantity, p: Quantity, dinfiltration: Quantity, dexcess: Quantity) -> tuple[Quantity, ...]:
        dryness = 1.0 - clip(SM / p.FC, 0.0, 0.99)
        decline = power(dryness, p.ALPHA)
        wet_capacity = p.FMIN * p.F0
        capacity = wet_capacity + (p.F0 - wet_capacity) * decline

        share = least(W, capacity)
        beyond = where(capacity <= W, dexcess, 0.0)
        dW, dcapacity = share * dinfiltration + beyond, (1.0 - share) * dinfiltration - beyond

        dwet_capacity = (1.0 - decline) * dcapacity
        dF0, dFMIN = decline * dcapacity + p.FMIN * dwet_capacity, p.F0 * dwet_capacity
        ddecline = (p.F0 - wet_capacity) * dcapacity
        dALPHA = decline * log(dryness) * ddecline
        dwetness = where(SM / p.FC > 0.99, 0.0, -p.ALPHA * decline / dryness * ddecline)
        return dW, dwetness / p.FC, -dwetness * SM / (p.FC * p.FC), dF0, dFMIN, dALPHA

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


def soil_adjoint(op: Operations) -> Function:
    """Reverse of :func:`soil`: returns the sensitivities to ``SM``, ``W``, ``FC`` and ``BETA``."""
    where, curve = op.where, saturating_power(op)

    def equation(
        SM: Quantity, W: Quantity, p: Quantity, dt: float, dSM: Quantity, drecharge: Quantity, dexcess: Quantity
    ) -> tuple[Quantity, ...]:
        wetness = SM / p.FC
        share, by_wetness, by_BETA = curve(wetness, p.BETA)
        full = SM + (W - W * share) * dt >= p.FC

        dover = where(full, dexcess / dt - dSM, 0.0)
        dSM = dSM + dover
        drecharge = drecharge - dSM * dt
        dW, dshare = dSM * dt + share * drecharge, W * drecharge
        dwetness = by_wetness * dshare
        return dSM + dwetness / p.FC, dW, -dover - dwetness * wetness / p.FC, by_BETA * dshare

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


def evapotranspiration_adjoint(op: Operations) -> Function:
    """Reverse of :func:`evapotranspiration`: returns the sensitivities to ``SM``, ``FC``, ``LP`` and ``BETAET``."""
    minimum, where, curve, least = op.minimum, op.where, saturating_power(op), first_of_least(op)

    def equation(SM: Quantity, PET: Quantity, p: Quantity, dt: float, nz: float, dSM: Quantity) -> tuple[Quantity, ...]:
        wetness = SM / (p.LP * p.FC)
        factor, by_wetness, by_BETAET = curve(wetness, p.BETAET)
        demand = PET * factor
        ET = minimum(SM / dt, demand)

        dSM = where(SM - ET * dt >= nz, dSM, 0.0)
        share, dET = least(SM / dt, demand), -dSM * dt
        dfactor = PET * (1.0 - share) * dET
        dwetness = by_wetness * dfactor
        dSM = dSM + share * dET / dt + dwetness / (p.LP * p.FC)
        return dSM, -dwetness * wetness / p.FC, -dwetness * wetness / p.LP, by_BETAET * dfactor

    return op.compiled(equation)
