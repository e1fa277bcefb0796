"""What the numbers of a run are: flux, store or something else, under a short name, and with which others they are looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, cycle
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.declared import Declared, declared_outputs
from bmi_dmg.run_folder.realization import STEP_SECONDS
from bmi_dmg.run_folder.units import Converter, converter
from bmi_dmg.variables import COMPUTED, OF_MAIN, OUTPUTS, RUNOFF_DEPTH
from dmg_core.errors import ConfigError
from dmg_core.metrics import central_bands
from dmg_core.models.layout import TOTAL, UNROUTED_TOTAL

STEPS_PER_DAY: Final = 86400 // STEP_SECONDS
#: m³/s that 1 mm/d is over 1 km².
CUBIC_METRES: Final = 1.0 / 86.4

PRECIPITATION: Final = "precipitation"
RUNOFF: Final = TOTAL
UNROUTED: Final = UNROUTED_TOTAL
POTENTIAL: Final = COMPUTED.lower()
OBSERVED: Final = "observed"

#: Role -> short name, of what no process model declares. A role is what a quantity is in the water cycle: one of the outputs of the
#: process model, or precipitation.
_LABELS: Final = {
    PRECIPITATION: "Precipitation",
    RUNOFF: "Runoff",
    OBSERVED: "Observed flow",
    UNROUTED: "Runoff before routing",
    POTENTIAL: "Potential evapotranspiration",
}
#: Role of a quantile of runoff, with the decimals of its level.
QUANTILE: Final = re.compile(rf"{RUNOFF}{OF_MAIN}q(\d+)")
_ROLES = {variable.name: variable.source for variable in OUTPUTS}


class Kind(Enum):
    """What a value measures."""

    FLUX = "mm/d"
    STORE = "mm"
    OTHER = ""


@dataclass(frozen=True)
class Quantity:
    """A variable of a run.

    Attributes
    ----------
    name : str
        Its name in the file.
    role : str
        What it is in the water cycle, such as the name of an output of its model; its BMI name if that is not known.
    label : str
        A short name for people.
    kind : Kind
        Flux (mm/d), store (mm) or something else.
    units : str
        Unit of the values that :meth:`convert` gives.
    """

    name: str
    role: str
    label: str
    kind: Kind
    units: str
    factor: float
    to_metric: Converter | None

    def convert(self, values: Any) -> NDArray[np.float64]:
        """Turn values as they are in the file into :attr:`units`."""
        plain = np.asarray(values, dtype=np.float64)
        return (plain if self.to_metric is None else self.to_metric(plain)) * self.factor


def quantity(name: str, units: str, long_name: str, *, is_main: bool = False, role: str = "") -> Quantity:
    """Say what a variable is.

    Parameters
    ----------
    name : str
        Its BMI name.
    units : str
        Its unit. A depth is a store, except that of runoff: that is a depth per hourly step.
    long_name : str
        Its name for people, if it has no role.
    is_main : bool
        Whether it is the runoff of the run, whatever its name (:func:`runoff_of`).
    """
    role = RUNOFF if is_main else role or _ROLES.get(name, name)
    per_step = is_main or name == RUNOFF_DEPTH or name.startswith(RUNOFF_DEPTH + OF_MAIN)
    kind, factor, to_metric = _measure(units, per_step=per_step)
    label = label_of(role) or _label_of_quantile(role) or long_name
    return Quantity(name, role, label, kind, kind.value or units, factor, to_metric)


def label_of(role: str) -> str:
    """Give the short name of a role; nothing where none is known."""
    declared = declared_outputs().get(role)
    return declared.title if declared else _LABELS.get(role, "")


def level_of(role: str) -> float | None:
    """Give the level of a quantile of runoff; None of anything else."""
    found = QUANTILE.fullmatch(role)
    return None if found is None else float(f"0.{found[1]}")


def _label_of_quantile(role: str) -> str:
    level = level_of(role)
    return "" if level is None else f"{100.0 * level:g} % quantile of runoff"


def runoff_of(main: str, others: Iterable[str]) -> str:
    """Say which output of a run is its runoff: the main output, unless that is known as something else and another is the runoff.

    Parameters
    ----------
    main : str
        The main output: the runoff before routing, where channels are routed after the run.
    others : iterable of str
        The other outputs.
    """
    if _ROLES.get(main, RUNOFF) == RUNOFF:
        return main
    return next((name for name in others if _ROLES.get(name) == RUNOFF), main)


def precipitation(name: str, units: str) -> Quantity:
    """Say what the precipitation of the forcing is; a depth is one per hour."""
    kind, factor, to_metric = _measure(units, per_step=True)
    return Quantity(name, PRECIPITATION, _LABELS[PRECIPITATION], kind, kind.value or units, factor, to_metric)


def _measure(units: str, *, per_step: bool) -> tuple[Kind, float, Converter | None]:
    depth = (Kind.FLUX, float(STEPS_PER_DAY)) if per_step else (Kind.STORE, 1.0)
    for target, (kind, factor) in (("mm d-1", (Kind.FLUX, 1.0)), ("mm", depth)):
        try:
            return kind, factor, converter(units, target)
        except ConfigError:
            continue
    return Kind.OTHER, 1.0, None


@dataclass(frozen=True)
class Curve:
    """How a quantity is drawn.

    Attributes
    ----------
    role : str
        What is drawn.
    light, dark : str
        Its colour on a light and on a dark ground; chosen to be told apart by colour-blind people (after Okabe and Ito).
    filled : bool
        Whether the area below is filled.
    width : float
        Of the line, relative to the others.
    name : str
        Its short name, if its role has none.
    lower : str
        Role of the lower edge of a band, of which this is the upper one.
    edge : bool
        Whether it is the lower edge of the band before it, and is not drawn by itself.
    """

    role: str
    light: str
    dark: str
    filled: bool = False
    width: float = 1.0
    name: str = ""
    lower: str = ""
    edge: bool = False

    @property
    def label(self) -> str:
        """Its short name."""
        return self.name or label_of(self.role)


@dataclass(frozen=True)
class Style:
    """Colours on a light and on a dark ground, and whether the area below is filled, of what a process model declares for a panel."""

    light: str
    dark: str
    filled: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis.

    Attributes
    ----------
    title : str
        What it shows; declarations name it.
    kind : Kind
        What its curves measure.
    curves : tuple of Curve
        From back to front; those that are not declared by a process model.
    height : float
        Height relative to the others.
    styles : tuple of Style
        Of those that are declared, in their order.
    """

    title: str
    kind: Kind
    curves: tuple[Curve, ...]
    height: float = 1.0
    styles: tuple[Style, ...] = ()

    def with_declared(self, declared: Iterable[Declared]) -> Panel:
        """Add what process models declare for it: filled areas behind its own curves, lines before them."""
        mine = [one for one in declared if one.panel == self.title and one.is_store == (self.kind is Kind.STORE)]
        styles = chain(self.styles, cycle(_STYLES))
        added = [Curve(one.role, style.light, style.dark, filled=style.filled) for one, style in zip(mine, styles, strict=False)]
        areas, lines = [curve for curve in added if curve.filled], [curve for curve in added if not curve.filled]
        return replace(self, curves=(*areas, *self.curves, *lines))


PANELS: Final = (
    Panel("Precipitation", Kind.FLUX, (Curve(PRECIPITATION, "#5b9bc8", "#6fb1e0", filled=True),), 0.7),
    Panel(
        "Runoff",
        Kind.FLUX,
        # Behind what was simulated, and wider: both are seen where they are the same.
        (Curve(OBSERVED, "#8c8c8c", "#b0b0b0", width=2.6), Curve(RUNOFF, "#0067a8", "#4aa8ec")),
        2.0,
        (Style("#8fb8a8", "#4f8f7c", filled=True),),
    ),
    Panel("Snow", Kind.STORE, (), styles=(Style("#4a90c9", "#7fc0f5", filled=True), Style("#b8408b", "#ea86c2"))),
    Panel("Soil water", Kind.STORE, (), styles=(Style("#a05a12", "#e5a14f"),)),
    Panel("Groundwater", Kind.STORE, (), styles=(Style("#009070", "#35c9a5"), Style("#4b4ba8", "#a3a3f0"))),
    Panel("Evapotranspiration", Kind.FLUX, (Curve(POTENTIAL, "#b98a00", "#d9b13b"),), styles=(Style("#2f7d32", "#6fc273"),)),
)


#: Bands of runoff that are drawn, in percent, and their colours on light and dark ground.
_SHOWN_BANDS: Final = (90, 50)
_BAND_COLOURS: Final = (("#cfe3f2", "#1d3a50"), ("#9cc7e6", "#2a5a7f"))
#: Of what has no style of its own, in turn.
_STYLES: Final = (
    Style("#4b4ba8", "#a3a3f0"),
    Style("#009070", "#35c9a5"),
    Style("#a05a12", "#e5a14f"),
    Style("#b8408b", "#ea86c2"),
    Style("#4a90c9", "#7fc0f5"),
)


def panels_of(roles: set[str], stores: Iterable[Quantity] = ()) -> list[Panel]:
    """Give the panels for which there is something to draw, each with the curves that there are.

    Parameters
    ----------
    roles : set of str
        What there is.
    stores : iterable of Quantity
        Stores of the model: those that have no panel of their own share one.
    """
    declared = [one for one in declared_outputs().values() if one.role in roles]
    panels = [panel.with_declared(declared) for panel in _all_panels(declared)]
    found = [(panel, tuple(curve for curve in panel.curves if curve.role in roles)) for panel in panels]
    found = [(panel, (*_bands_of(roles), *curves) if panel.title == "Runoff" else curves) for panel, curves in found]
    known = {curve.role for panel in panels for curve in panel.curves}
    others = [each for each in stores if each.kind is Kind.STORE and each.role in roles and each.role not in known]
    curves = tuple(Curve(each.role, style.light, style.dark, name=each.label) for each, style in zip(others, cycle(_STYLES)))
    return [replace(panel, curves=curves) for panel, curves in (*found, (Panel("Stores", Kind.STORE, ()), curves)) if curves]


def _all_panels(declared: Iterable[Declared]) -> list[Panel]:
    """Give the panels that there always are, and those that only declarations name."""
    kinds = {(one.panel, Kind.STORE if one.is_store else Kind.FLUX): None for one in declared if one.panel}
    known = {(panel.title, panel.kind) for panel in PANELS}
    return [*PANELS, *(Panel(title, kind, ()) for title, kind in kinds if (title, kind) not in known)]


def _bands_of(roles: set[str]) -> list[Curve]:
    """Give the bands of runoff between calibrated quantiles, the widest first, each as its upper and its lower edge."""
    levels = {level: role for role in roles if (level := level_of(role)) is not None}
    ordered = sorted(levels)
    there = central_bands(ordered) if RUNOFF in roles else {}
    shown = [percent for percent in _SHOWN_BANDS if percent in there] or list(there)[-1:]
    curves = []
    for percent, (light, dark) in zip(shown, _BAND_COLOURS, strict=False):
        low, high = (levels[ordered[place]] for place in there[percent])
        upper, lower = (f"{100.0 * ordered[place]:g} % quantile" for place in there[percent][::-1])
        curves.append(Curve(high, light, dark, name=upper, lower=low))
        curves.append(Curve(low, light, dark, name=lower, edge=True))
    return curves
