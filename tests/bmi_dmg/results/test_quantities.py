from __future__ import annotations

import numpy as np
import pytest

from bmi_dmg.results.declared import Declared, of_flux
from bmi_dmg.results.quantities import OBSERVED, PANELS, PRECIPITATION, RUNOFF, Kind, label_of, panels_of, precipitation, quantity
from bmi_dmg.variables import OUTPUTS, RUNOFF_DEPTH
from dmg_core.models import Flux


@pytest.mark.parametrize(
    ("name", "units", "is_main", "role", "kind", "converted"),
    [
        (RUNOFF_DEPTH, "m", False, RUNOFF, Kind.FLUX, 48_000.0),
        ("q", "mm", True, RUNOFF, Kind.FLUX, 48.0),
        ("q", "mm s-1", True, RUNOFF, Kind.FLUX, 172_800.0),
        ("soil_water__depth", "m", False, "soil_moisture", Kind.STORE, 2_000.0),
        ("land_surface_water__evapotranspiration_volume_flux", "m h-1", False, "aet", Kind.FLUX, 48_000.0),
        ("warmth", "degC", False, "warmth", Kind.OTHER, 2.0),
        ("a ratio", "1", False, "a ratio", Kind.OTHER, 2.0),
        ("nonsense", "furlongs per fortnight?", False, "nonsense", Kind.OTHER, 2.0),
    ],
)
def test_names_and_units_say_what_a_variable_is(name: str, units: str, is_main: bool, role: str, kind: Kind, converted: float) -> None:
    """Fluxes become mm/d, stores mm, anything else stays; runoff given as a depth is one per hour."""
    what = quantity(name, units, "long name", is_main=is_main)
    assert (what.role, what.kind) == (role, kind)
    assert what.units == (kind.value or units)
    np.testing.assert_allclose(what.convert([2.0]), [converted])


def test_what_has_no_role_keeps_its_long_name() -> None:
    """People see the name that the file gives."""
    assert quantity("warmth", "degC", "air warmth").label == "air warmth"


@pytest.mark.parametrize(("units", "converted"), [("mm s^-1", 86_400.0), ("mm h^-1", 24.0), ("kg m-2", None), ("mm", 24.0)])
def test_precipitation_is_a_rate_or_a_depth_per_hour(units: str, converted: float | None) -> None:
    """Both become mm/d; what is neither is not taken for it."""
    what = precipitation("rain", units)
    assert what.role == PRECIPITATION
    assert what.kind is (Kind.OTHER if converted is None else Kind.FLUX)
    if converted is not None:
        np.testing.assert_allclose(what.convert([1.0]), [converted])


def test_every_output_has_a_short_name() -> None:
    """No output of the model is shown under its technical name."""
    assert [variable.source for variable in OUTPUTS if not label_of(variable.source)] == []


def test_panels_hold_what_there_is() -> None:
    """Panels without a curve are left out, and so are curves without values."""
    found = panels_of({RUNOFF, "upper_zone"})
    assert [(panel.title, [curve.role for curve in panel.curves]) for panel in found] == [
        ("Runoff", [RUNOFF]),
        ("Groundwater", ["upper_zone"]),
    ]


def test_panels_take_what_models_declare_for_them() -> None:
    """A store goes to the panel of its title beside what is there, and gets a style; a flux does not go among stores."""
    groundwater = next(panel for panel in PANELS if panel.title == "Groundwater")
    declared = [Declared("deep", "Deep water", "Groundwater", is_store=True), Declared("leak", "Leakage", "Groundwater")]
    assert [curve.role for curve in groundwater.with_declared(declared).curves] == ["deep"]
    runoff = next(panel for panel in PANELS if panel.title == "Runoff")
    found = runoff.with_declared([Declared("slow", "Slow flow", "Runoff"), Declared("fast", "Fast flow", "Runoff")])
    assert [curve.role for curve in found.curves] == ["slow", OBSERVED, RUNOFF, "fast"]


def test_declarations_tell_titles() -> None:
    """What leaves a model is called by its title, what is to be routed is told apart, and another unit than a depth is in no picture."""
    flux = Flux("unrouted_drain", "mm", routed=True, title="Drainage", panel="Runoff")
    assert list(of_flux(flux)) == [
        Declared("drain", "Drainage", "Runoff"),
        Declared("unrouted_drain", "Drainage before routing"),
    ]
    assert list(of_flux(Flux("gain", "umol", title="Assimilation", panel="Runoff"))) == [Declared("gain", "Assimilation")]


def test_panels_measure_what_they_say() -> None:
    """Curves of a panel share its unit."""
    kinds = {variable.source: quantity(variable.name, variable.units, "").kind for variable in OUTPUTS}
    found = panels_of(set(kinds) | {PRECIPITATION})
    assert [panel.title for panel in found] == [panel.title for panel in PANELS]
    for panel in found:
        assert {kinds.get(curve.role, Kind.FLUX) for curve in panel.curves} == {panel.kind}


def test_bands_of_runoff_stand_behind_it() -> None:
    """Quantiles of a run become bands, the widest first, each as two edges; without a partner, or without runoff, none is drawn."""
    quantiles = {f"streamflow__{name}" for name in ("q05", "q95", "q25", "q75", "q50", "q10")}
    (panel,) = panels_of({RUNOFF, *quantiles})
    assert [(curve.role, curve.lower, curve.edge) for curve in panel.curves] == [
        ("streamflow__q95", "streamflow__q05", False),
        ("streamflow__q05", "", True),
        ("streamflow__q75", "streamflow__q25", False),
        ("streamflow__q25", "", True),
        (RUNOFF, "", False),
    ]
    assert panels_of(quantiles) == []


def test_a_quantile_of_runoff_is_a_flux() -> None:
    """It is a depth per hour, as runoff is, and is called by its level."""
    found = quantity("land_surface_water__runoff_depth__q975", "m", "", role="streamflow__q975")
    assert (found.kind, found.label) == (Kind.FLUX, "97.5 % quantile of runoff")
    assert found.convert([0.001])[0] == pytest.approx(24.0)
