"""What an ensemble reads and gives, made of the declarations of its members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NoReturn

from dmg_core.errors import ConfigError
from dmg_core.models import Flux, Forcing, Layout, ProcessModel
from dmg_core.models.layout import TOTAL, UNROUTED_TOTAL
from dmg_core.models.process_model import Quantity

#: Ends the name of the standard deviation of the members, after that of the main output.
STD: Final = "__std"


class Ensemble(ProcessModel):
    """The declaration of an ensemble: forcings of all members, and the outputs that all of them have.

    It has no stores, no parameters and no balance: those are the members' own.

    Parameters
    ----------
    members : mapping of str to ProcessModel
        By name, two or more.

    Attributes
    ----------
    main : str
        The output whose mean is the main one: streamflow, or the first output of all members.

    Raises
    ------
    ConfigError
        If members differ in their time step, in the unit or the aggregation of a forcing, in the unit of an output, or in their main
        output.
    """

    name = "ensemble"
    family = "ensemble"
    compiled = False

    def __init__(self, members: Mapping[str, ProcessModel]) -> None:
        steps = {name: member.steps_per_day for name, member in members.items()}
        _require_one("steps a day", steps)
        given = {name: {one.name: one for one in outputs_of(member)} for name, member in members.items()}
        self.main = _main_of(given)
        self.steps_per_day = next(iter(steps.values()))  # type: ignore[misc]  # one ensemble is not another
        self.forcings = _forcings_of(members)  # type: ignore[misc]
        self.fluxes = _fluxes_of(given, self.main, self.forcings)  # type: ignore[misc]
        first = next(iter(members.values())).first_outputs
        self.first_outputs = tuple(name for name in first if name in {flux.name for flux in self.fluxes})  # type: ignore[misc]
        self.tabulated = (self.main + STD,)  # type: ignore[misc]

    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> NoReturn:  # noqa: ARG002  # it has no equations
        """Refuse: members are stepped each by itself."""
        raise ConfigError("an ensemble has no equations of its own; step it by its engine")


def outputs_of(process: ProcessModel) -> Iterator[Flux]:
    """Give all outputs of a process model, but forcings that are given back, as fluxes that move nothing."""
    layout = Layout.of(process)
    if layout.routed:
        unit = layout.routed[0].unit
        yield Flux(TOTAL, unit, "runoff")
        yield Flux(UNROUTED_TOTAL, unit, "runoff before the unit hydrograph")
    for flux in layout.routed:
        yield Flux(flux.routed_name, flux.unit, flux.meaning, bmi_name=flux.routed_bmi_name)
    for flux in process.fluxes:
        yield Flux(flux.name, flux.unit, flux.meaning, bmi_name=flux.bmi_name, at_end=flux.at_end)
    for store in process.stores:
        yield Flux(store.output, store.unit, store.meaning, bmi_name=store.bmi_name, at_end=True)


def _main_of(given: Mapping[str, Mapping[str, Flux]]) -> str:
    if all(TOTAL in outputs for outputs in given.values()):
        return TOTAL
    first = {name: TOTAL if TOTAL in outputs else next(iter(outputs)) for name, outputs in given.items()}
    _require_one("main output", first)
    return next(iter(first.values()))


def _forcings_of(members: Mapping[str, ProcessModel]) -> tuple[Forcing, ...]:
    """Give the forcings of all members, each once; their meanings may be told otherwise."""
    found: dict[str, tuple[str, Forcing]] = {}
    for name, member in members.items():
        for forcing in member.forcings:
            plain = replace(forcing, balance="uncounted", meaning="")
            first, known = found.setdefault(forcing.name, (name, replace(forcing, balance="uncounted")))
            if replace(known, meaning="") != plain:
                raise ConfigError(
                    f"members of an ensemble need the same forcings: {forcing.name} is {_described(known)} for {first}, "
                    f"{_described(forcing)} for {name}"
                )
    return tuple(forcing for _, forcing in found.values())


def _described(forcing: Forcing) -> str:
    return f"{forcing.aggregate} of {forcing.bmi_name} in {forcing.unit}, from {forcing.least} to {forcing.largest}"


def _fluxes_of(given: Mapping[str, Mapping[str, Flux]], main: str, forcings: tuple[Forcing, ...]) -> tuple[Flux, ...]:
    """Give the means of outputs that all members have, and the standard deviation of the main one after it."""
    first, *others = given
    known = {forcing.label for forcing in forcings}
    shared = [name for name in given[first] if name not in known and all(name in given[other] for other in others)]
    for name in shared:
        _require_one(f"unit of {name}", {member: outputs[name].unit for member, outputs in given.items()})
    means = {name: replace(given[first][name], meaning=f"{given[first][name].meaning or name}, mean of the members") for name in shared}
    flow = means.pop(main)
    bmi_name = "" if main == TOTAL else flow.bmi_name + STD
    spread = Flux(main + STD, flow.unit, "standard deviation of the members", bmi_name=bmi_name, at_end=flow.at_end)
    return (flow, spread, *means.values())


def _require_one(what: str, values: Mapping[str, object]) -> None:
    if len(set(values.values())) > 1:
        told = ", ".join(f"{value} in {name}" for name, value in values.items())
        raise ConfigError(f"members of an ensemble need one and the same {what}; found {told}")
