"""Tests of bmi_dmg.bmi.hidden_variables: parameters through model_params, as ngen sends them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.errors import ConfigError


def send(model: BmiDeltaModel, name: str, value: float) -> None:
    """Set a model parameter by the calls ngen makes."""
    size = model.get_var_nbytes(name) // model.get_var_itemsize(name)
    model.set_value(name, np.full(size, value, model.get_var_type(name)))


def test_parameters_are_taken_as_ngen_sends_them(make_bmi: Callable[..., BmiDeltaModel], drive: Callable, weather_of: Callable) -> None:
    """A parameter and a multiplier sent after initialize change the flow, and read back as they were set."""
    model, untouched = make_bmi(), make_bmi()
    send(model, "parFC", 60.0)
    send(model, "multiplier::parK0", 1.5)
    assert (model.get_value_ptr("parFC")[0], model.get_value_ptr("multiplier::parK0")[0]) == (60.0, 1.5)
    assert (model.get_var_units("parFC"), model.get_var_units("multiplier::parK0")) == ("mm", "1")
    weather = weather_of(24 * 20)
    assert not np.array_equal(drive(model, weather)[RUNOFF_DEPTH], drive(untouched, weather)[RUNOFF_DEPTH])


def test_parameters_are_in_no_list(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """Parameters are neither inputs nor outputs."""
    model = make_bmi()
    send(model, "parFC", 60.0)
    assert "parFC" not in (*model.get_input_var_names(), *model.get_output_var_names())


def test_a_parameter_out_of_range_is_refused(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """A value outside the range is an error with the range, and the model's parameter is not changed."""
    model = make_bmi()
    with pytest.raises(ConfigError, match="parFC cannot be 2000, expected 50 to 1000 mm"):
        send(model, "parFC", 2000.0)
    assert model.get_value_ptr("parFC")[0] == 0.0


def test_a_parameter_of_another_model_is_unknown(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """The daily model has no infiltration capacity; asking for it is the error ngen expects of unknown names."""
    with pytest.raises(KeyError, match="parF0"):
        make_bmi().get_var_itemsize("parF0")
    hourly = make_bmi(physics="Hbv_2_hourly")
    send(hourly, "parF0", 500.0)
    assert hourly.get_value_ptr("parF0")[0] == 500.0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("parXYZ", "the HBV parameters of this model are parBETA, parFC"),
        ("parfc", "did you mean 'parFC'? the HBV parameters of this model are"),
        ("multiplier::parF", "did you mean 'multiplier::parFC'? the multipliers of this model are multiplier::parBETA"),
        ("multiplier::XYZ", "the multipliers of this model are multiplier::parBETA"),
        ("state::soil", "did you mean 'state::soil_moisture'? the variables of the state of this model are state::snowpack"),
    ],
)
def test_a_name_that_does_not_exist_is_answered_by_its_kind(make_bmi: Callable[..., BmiDeltaModel], name: str, hint: str) -> None:
    """Asking for a parameter, multiplier or store that there is none of names those there are, not a variable of another kind."""
    for ask in ("get_var_itemsize", "get_var_type", "get_var_nbytes", "get_var_units", "get_value_ptr"):
        with pytest.raises(KeyError, match=re.escape(hint)) as refused:
            getattr(make_bmi(), ask)(name)
        assert "depth" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("parFC", [2000.0], "parFC cannot be 2000, expected 50 to 1000 mm"),
        ("parFC", [60.0, 70.0], "parFC: cannot be set to [60.0, 70.0], expected one number"),
        ("multiplier::parK0", [-1.0], "the multiplier of parK0 cannot be -1, expected a positive number"),
    ],
)
def test_what_is_refused_is_logged(
    make_bmi: Callable[..., BmiDeltaModel], caplog: pytest.LogCaptureFixture, name: str, values: list[float], message: str
) -> None:
    """Ngen goes on without a refused parameter, and quiet builds of it say nothing, so the module says it itself before it raises."""
    with pytest.raises((ConfigError, ValueError)):
        make_bmi().set_value(name, np.array(values))
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.message == f"catchment cat-7: set_value({name!r}) is refused: {message}"
