"""One time step of a member of the HBV family in reverse: from what a result owes to the end of a step to what it owes to its beginning.

The processes and their reverses are in :mod:`dmg_core.physics.processes`; here they are strung together in the opposite order of
:func:`dmg_core.physics.equations.hbv_step`. What a process starts from is computed again instead of being kept.
"""

from __future__ import annotations

from typing import NamedTuple

from dmg_core.physics.equations import HIGH_TT, AnyStores, CascadeStores, Stores, floor_stores
from dmg_core.physics.operations import Function, Operations, Quantity
from dmg_core.physics.processes.groundwater import (
    capillary_rise,
    capillary_rise_adjoint,
    regional_exchange,
    regional_exchange_adjoint,
    upper_zone,
    upper_zone_adjoint,
)
from dmg_core.physics.processes.overland import cascade_adjoint, partition, partition_adjoint
from dmg_core.physics.processes.snow import snow, snow_adjoint
from dmg_core.physics.processes.soil import evapotranspiration, evapotranspiration_adjoint


class Parameters(NamedTuple):
    """Parameters of one component, or the sensitivities to them, of all members of the family; a member leaves out what it has not."""

    BETA: Quantity
    FC: Quantity
    K0: Quantity
    K1: Quantity
    K2: Quantity
    LP: Quantity
    PERC: Quantity
    UZL: Quantity
    TT: Quantity
    CFMAX: Quantity
    CFR: Quantity
    CWH: Quantity
    BETAET: Quantity
    C: Quantity
    RT: Quantity
    AC: Quantity
    F0: Quantity
    FMIN: Quantity
    ALPHA: Quantity
    KS: Quantity


def floor_stores_adjoint(op: Operations) -> Function:
    """Reverse of :func:`~dmg_core.physics.equations.floor_stores`: a store that was lifted no longer owes anything to what it was."""
    where = op.where

    def equation(s: Quantity, nz: float, d: Stores) -> Stores:
        return Stores(
            where(s.SP >= 0.0, d.SP, 0.0),
            where(s.MW >= 0.0, d.MW, 0.0),
            where(nz <= s.SM, d.SM, 0.0),
            where(nz <= s.SUZ, d.SUZ, 0.0),
            where(nz <= s.SLZ, d.SLZ, 0.0),
        )

    return op.compiled(equation)


def hbv_step_adjoint(
    op: Operations, *, capillary: bool = False, regional: bool = False, hourly: bool = False, varied: bool = False
) -> Function:
    """Build the reverse of one time step.

    Parameters
    ----------
    op : Operations
        What it is built with.
    capillary, regional, hourly, varied : bool
        See :func:`~dmg_core.physics.equations.hbv_step`.

    Returns
    -------
    callable
        ``reverse(s, p, site, P, T, PET, dt, nz, d, dflow) -> (AnyStores, Parameters)``: what the step takes, the sensitivities ``d`` to the
        stores at its end and ``dflow`` to its runoff, mm, of all flows together; returned are the sensitivities to the stores at its
        beginning and to the parameters.
    """
    where = op.where
    snow_, partition_, evapotranspiration_ = snow(op), partition(op, hourly=hourly, varied=varied), evapotranspiration(op)
    capillary_rise_, upper_zone_, exchange_, floor_ = capillary_rise(op), upper_zone(op), regional_exchange(op), floor_stores(op)
    snow_back, partition_back, cascade_back = snow_adjoint(op), partition_adjoint(op, hourly=hourly, varied=varied), cascade_adjoint(op)
    evapotranspiration_back, capillary_rise_back = evapotranspiration_adjoint(op), capillary_rise_adjoint(op)
    upper_zone_back, exchange_back, floor_back = upper_zone_adjoint(op), regional_exchange_adjoint(op), floor_stores_adjoint(op)

    def reverse(
        s: Quantity,
        p: Quantity,
        site: Quantity,
        P: Quantity,
        T: Quantity,
        PET: Quantity,
        dt: float,
        nz: float,
        d: Quantity,
        dflow: Quantity,
    ) -> tuple[AnyStores, Parameters]:
        none = 0.0 * P
        dC = dRT = dAC = dKS = none
        SP, MW, SM, SUZ, SLZ = s.SP, s.MW, s.SM, s.SUZ, s.SLZ
        if hourly:
            (SP, MW, SM, SUZ, SLZ), _ = floor_(s, nz)

        TT = where(site.high, HIGH_TT, p.TT) if regional else p.TT
        _, _, rain, melt_outflow = snow_(SP, MW, P, T, TT, p, dt)
        falling = rain + melt_outflow
        moist, recharge, excess, runoff = partition_(SM, falling, p, dt)
        left = evapotranspiration_(moist, PET, p, dt, nz)[0]
        lower = capillary_rise_(left, SLZ, p, dt, nz)[1] if capillary else SLZ
        percolated = lower + upper_zone_(SUZ, recharge + excess, p, dt)[1] * dt
        draining = exchange_(percolated, p, site, dt, nz)[0] if regional else percolated

        drate = dflow * dt
        dQ2 = drate - d.SLZ * dt
        dSLZ, dK2 = d.SLZ + p.K2 * dQ2, draining * dQ2
        if regional:
            dSLZ, dRT, dAC = exchange_back(percolated, p, site, dt, nz, dSLZ)
        dSUZ, dinflow, dPERC, dUZL, dK0, dK1 = upper_zone_back(SUZ, recharge + excess, p, dt, d.SUZ, dSLZ * dt, drate, drate)

        dSM, dFC = d.SM, none
        if capillary:
            dSM, dSLZ, dFC, dC = capillary_rise_back(left, SLZ, p, dt, nz, dSM, dSLZ)
        dSM, by_FC, dLP, dBETAET = evapotranspiration_back(moist, PET, p, dt, nz, dSM)
        dFC = dFC + by_FC
        drunoff = drate
        if varied:
            dSIE1, dSIE2, drunoff, dKS = cascade_back(s.SIE1, s.SIE2, runoff, p, dt, nz, d.SIE1, d.SIE2, drate)
        dSM, dW, by_FC, dBETA, dF0, dFMIN, dALPHA = partition_back(SM, falling, p, dt, dSM, dinflow, dinflow, drunoff)
        dFC = dFC + by_FC

        dSP, dMW, dTT, dCFMAX, dCFR, dCWH = snow_back(SP, MW, P, T, TT, p, dt, d.SP, d.MW, dW)
        if regional:
            dTT = where(site.high, 0.0, dTT)
        before = Stores(dSP, dMW, dSM, dSUZ, dSLZ)
        if hourly:
            before = floor_back(s, nz, before)
        owed = Parameters(
            dBETA, dFC, dK0, dK1, dK2, dLP, dPERC, dUZL, dTT, dCFMAX, dCFR, dCWH, dBETAET, dC, dRT, dAC, dF0, dFMIN, dALPHA, dKS
        )
        if varied:
            return CascadeStores(before.SP, before.MW, before.SM, before.SUZ, before.SLZ, dSIE1, dSIE2), owed
        return before, owed

    return op.compiled(reverse)
