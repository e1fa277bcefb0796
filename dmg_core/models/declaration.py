"""What a process model declares, checked before anything is made of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from dmg_core.errors import ConfigError
from dmg_core.models.process_model import Aggregate, Attribute, Balance, Flux, Forcing, Parameter, ProcessModel, Store

_TABLES: Final[Mapping[str, type]] = {
    "forcings": Forcing,
    "parameters": Parameter,
    "attributes": Attribute,
    "stores": Store,
    "fluxes": Flux,
}
#: Sums of every balance besides those that a model declares.
_SUMS: Final = ("increments", "storage_change", "reanchoring", "residual")


def check_declaration(model: ProcessModel) -> None:
    """Refuse a declaration of which nothing sensible can be made.

    Raises
    ------
    ConfigError
        If a table holds what does not belong there, a name cannot be one in equations and files, or a range, an initial content, a kind
        of balance or of aggregation, or the number of steps is impossible. Model, entry and what would be right are named.
    """
    steps = model.steps_per_day
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise _error(model, f"steps_per_day is {steps!r}, expected a whole number from 1, such as 1 or 24")
    for table, kind in _TABLES.items():
        _check_table(model, table, kind)
    for parameter in (*model.parameters, model.route_a, model.route_b):
        _check_parameter(model, parameter)
    for store in model.stores:
        _check_store(model, store)
    for forcing in model.forcings:
        _one_of(model, f"forcing {forcing.name}: aggregate", forcing.aggregate, get_args(Aggregate))
        _one_of(model, f"forcing {forcing.name}: balance", forcing.balance, ("in", "uncounted", None))
    for flux in model.fluxes:
        _one_of(model, f"flux {flux.name}: balance", flux.balance, (*get_args(Balance), None))
    if not model.stores and not model.fluxes:
        raise _error(model, "declares neither stores nor fluxes, so that nothing would come of it; declare one")
    _check_sums(model)


def _error(model: ProcessModel, problem: str) -> ConfigError:
    return ConfigError(f"process model {type(model).__name__}: {problem}")


def _check_table(model: ProcessModel, table: str, kind: type) -> None:
    entries: Any = getattr(model, table)
    if not isinstance(entries, tuple | list):
        raise _error(model, f"{table} is {entries!r}, expected a tuple; one entry alone needs a comma after it")
    names = []
    for entry in entries:
        if not isinstance(entry, kind):
            raise _error(model, f"{table} holds {entry!r}, expected {kind.__name__}(…)")
        given: str = entry.name  # type: ignore[attr-defined]  # all of them have one
        name = entry.symbol if isinstance(entry, Parameter) else given
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            what = f"parameter {given!r}" if name != given else repr(name)
            raise _error(model, f"{table}: {what} is no name; expected letters, digits and _, beginning with a letter")
        names.append(name)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _error(model, f"{table} declare {', '.join(twice)} twice; each needs a name of its own")


def _check_parameter(model: ProcessModel, parameter: Parameter) -> None:
    low, high = parameter.low, parameter.high
    if not (_is_finite(low) and _is_finite(high) and low < high):
        raise _error(model, f"parameter {parameter.name} has the range {low} to {high}, expected two finite numbers, the lower one first")
    if parameter.constant is not None and not _is_finite(parameter.constant):
        raise _error(model, f"parameter {parameter.name}: constant is {parameter.constant}, expected a finite number")


def _check_store(model: ProcessModel, store: Store) -> None:
    if store.least is not None and store.largest is not None and store.least > store.largest:
        raise _error(model, f"store {store.name}: least is {store.least}, above largest, {store.largest}")
    if not _is_finite(store.initial) or not store.holds(store.initial, 0.0):
        raise _error(model, f"store {store.name}: initial is {store.initial}, expected {store.bounds}")


def _check_sums(model: ProcessModel) -> None:
    """Refuse a flux whose sum in the balance could not be told from another one."""
    taken = (*_SUMS, *(forcing.label for forcing in model.forcings if forcing.enters))
    clashing = [flux.name for flux in model.fluxes if flux.balance and flux.name in taken]
    if clashing:
        raise _error(model, f"flux {clashing[0]}: the balance has another sum of that name; call it otherwise")


def _one_of(model: ProcessModel, what: str, value: object, choices: Iterable[object]) -> None:
    if value not in choices:
        raise _error(model, f"{what} is {value!r}, expected one of {', '.join(str(choice) for choice in choices)}")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
