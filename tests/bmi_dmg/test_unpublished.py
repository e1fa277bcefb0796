"""Tests of bmi_dmg.unpublished: parameters through model_params, as ngen sends them."""

from __future__ import annotations

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
