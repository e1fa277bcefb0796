from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bmipy import Bmi

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi import model as model_module
from bmi_dmg.variables import HARGREAVES_INPUTS, OUTPUTS, PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core.errors import StateError

Maker = Callable[..., BmiDeltaModel]
StateOf = Callable[[BmiDeltaModel], tuple[float, dict[str, float]]]
Weather = dict[str, np.ndarray]

RAIN, AIR_TEMPERATURE = (variable.name for variable in HARGREAVES_INPUTS)
PRESSURE = "land_surface_air__pressure"
OUTPUT_NAMES = tuple(variable.name for variable in OUTPUTS)
#: Outputs that this weather never changes, or a few times.
FEWER = {"soil_water__excess_volume_flux": 0, "model_water__clipping_volume_flux": 1}
ALL_NAMES = (*(variable.name for variable in PENMAN_MONTEITH_INPUTS), *OUTPUT_NAMES)

#: What asks about a variable by its name.
QUESTIONS: dict[str, Callable[[BmiDeltaModel, str], Any]] = {
    "get_var_units": BmiDeltaModel.get_var_units,
    "get_var_type": BmiDeltaModel.get_var_type,
    "get_var_itemsize": BmiDeltaModel.get_var_itemsize,
    "get_var_nbytes": BmiDeltaModel.get_var_nbytes,
    "get_var_location": BmiDeltaModel.get_var_location,
    "get_var_grid": BmiDeltaModel.get_var_grid,
    "get_value_ptr": BmiDeltaModel.get_value_ptr,
    "get_value": lambda model, name: model.get_value(name, np.empty(1)),
    "get_value_at_indices": lambda model, name: model.get_value_at_indices(name, np.empty(1), np.array([0])),
}


# --- names and variables -----------------------------------------------------------------------------------------------------------------


def test_it_is_a_bmi() -> None:
    """The class is a complete BMI of bmipy, made without arguments, and has a name."""
    assert isinstance(BmiDeltaModel(), Bmi)
    assert BmiDeltaModel().get_component_name()


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [({"pet_method": "hargreaves"}, HARGREAVES_INPUTS), ({"pet_method": "penman_monteith"}, PENMAN_MONTEITH_INPUTS)],
)
def test_inputs_are_what_the_method_needs(make_bmi: Maker, changes: dict[str, str], inputs: tuple[Any, ...]) -> None:
    """A model asks for the inputs of its PET method and no others, with the units of the table."""
    model = make_bmi(**changes)
    assert model.get_input_var_names() == tuple(variable.name for variable in inputs)
    assert [model.get_var_units(name) for name in model.get_input_var_names()] == [variable.units for variable in inputs]


def test_counts_equal_names(daily_model: BmiDeltaModel) -> None:
    """Item counts are the numbers of names."""
    assert daily_model.get_input_item_count() == len(daily_model.get_input_var_names()) == 2
    assert daily_model.get_output_item_count() == len(daily_model.get_output_var_names()) == len(OUTPUTS)


@pytest.mark.parametrize("name", ALL_NAMES)
def test_description_of_a_variable(daily_model: BmiDeltaModel, name: str) -> None:
    """Every variable is one float64 at the node of the grid, also before initialization and whatever the PET method."""
    for bmi in (daily_model, BmiDeltaModel()):
        assert bmi.get_var_type(name) == "float64"
        assert (bmi.get_var_itemsize(name), bmi.get_var_nbytes(name)) == (8, 8)
        assert (bmi.get_var_location(name), bmi.get_var_grid(name)) == ("node", 0)
        assert bmi.get_var_units(name)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_unknown_name_is_a_key_error(daily_model: BmiDeltaModel, question: Callable[[BmiDeltaModel, str], Any]) -> None:
    """Asking about an unknown variable raises KeyError that names the nearest known one, initialized or not."""
    for bmi in (daily_model, BmiDeltaModel()):
        with pytest.raises(KeyError, match=f"'land_surface_water__runoff_dept'; the nearest known is '{RUNOFF_DEPTH}'"):
            question(bmi, "land_surface_water__runoff_dept")


def test_grid_is_a_scalar(daily_model: BmiDeltaModel) -> None:
    """There is one grid, 0, of one node and no dimensions, and it fills arrays of no items."""
    assert (daily_model.get_grid_type(0), daily_model.get_grid_rank(0), daily_model.get_grid_size(0)) == ("scalar", 0, 1)
    assert (daily_model.get_grid_node_count(0), daily_model.get_grid_edge_count(0), daily_model.get_grid_face_count(0)) == (1, 0, 0)
    for fill in (daily_model.get_grid_shape, daily_model.get_grid_spacing, daily_model.get_grid_origin):
        empty = np.empty(0)
        assert fill(0, empty) is empty


@pytest.mark.parametrize("axis", ["x", "y", "z", "edge_nodes", "face_edges", "face_nodes", "nodes_per_face"])
def test_grid_has_no_geometry(daily_model: BmiDeltaModel, axis: str) -> None:
    """Asking for coordinates, edges or faces says that there are none."""
    with pytest.raises(NotImplementedError, match="scalar grid has no"):
        getattr(daily_model, f"get_grid_{axis}")(0, np.empty(1))


def test_unknown_grid_is_a_key_error(daily_model: BmiDeltaModel) -> None:
    """Another grid than 0 is unknown."""
    for ask in (daily_model.get_grid_type, daily_model.get_grid_rank, daily_model.get_grid_size, daily_model.get_grid_node_count):
        with pytest.raises(KeyError, match="unknown grid 1; the only one is 0"):
            ask(1)
    with pytest.raises(KeyError, match="unknown grid 1"):
        daily_model.get_grid_shape(1, np.empty(0))


# --- values ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [RAIN, AIR_TEMPERATURE, *OUTPUT_NAMES])
def test_pointer_is_a_live_view(make_bmi: Maker, weather_of: Callable[..., Weather], name: str) -> None:
    """The pointer of a variable is one float64 array for good, and always holds what get_value gives."""
    model, weather = make_bmi(physics="Hbv_2_hourly"), weather_of(300)
    weather[RAIN] *= 20.0
    pointer = model.get_value_ptr(name)
    assert (pointer.shape, pointer.dtype) == ((1,), np.float64)
    seen = set()
    for hour in range(300):
        for variable in model.get_input_var_names():
            model.set_value(variable, weather[variable][hour : hour + 1])
        model.update()
        assert model.get_value_ptr(name) is pointer
        assert model.get_value(name, np.full(1, -1.0)).tolist() == pointer.tolist()
        seen.add(pointer[0])
    assert len(seen) > FEWER.get(name, 5)


def test_input_may_be_written_through_its_pointer(make_bmi: Maker, daily_model: BmiDeltaModel, state_of: StateOf) -> None:
    """What is written through an input's pointer is what the model takes."""
    other = make_bmi()
    other.get_value_ptr(RAIN)[:] = 0.4
    other.get_value_ptr(AIR_TEMPERATURE)[0] = 9.0
    for bmi in (daily_model, other):
        bmi.update_until(24 * 3600)
    assert state_of(other) == state_of(daily_model)


def test_set_value_copies(make_bmi: Maker, daily_model: BmiDeltaModel, state_of: StateOf) -> None:
    """Changing the source array after set_value changes nothing, and set_value changes nothing in the source."""
    undisturbed = make_bmi()
    undisturbed.set_value(RAIN, np.array([0.4]))
    undisturbed.set_value(AIR_TEMPERATURE, np.array([9.0]))
    rain = np.array([0.4])
    daily_model.set_value(RAIN, rain)
    assert not np.shares_memory(daily_model.get_value_ptr(RAIN), rain)
    rain[:] = 55.0
    assert daily_model.get_value_ptr(RAIN).tolist() == [0.4]
    daily_model.set_value(RAIN, np.array([0.4]))
    for bmi in (daily_model, undisturbed):
        bmi.update_until(24 * 3600)
    assert state_of(daily_model) == state_of(undisturbed)
    assert rain.tolist() == [55.0]


def test_get_value_copies(daily_model: BmiDeltaModel) -> None:
    """The array given to get_value is filled and returned; changing it changes nothing, and later updates do not change it."""
    daily_model.update_until(24 * 3600)
    dest = np.zeros(1)
    assert daily_model.get_value(RUNOFF_DEPTH, dest) is dest
    assert dest[0] > 0.0
    read = dest[0]
    daily_model.update_until(72 * 3600)
    assert dest[0] == read
    assert daily_model.get_value_ptr(RUNOFF_DEPTH)[0] != read
    dest[:] = -1.0
    assert daily_model.get_value_ptr(RUNOFF_DEPTH)[0] > 0.0


@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_get_value_at_indices_fills_the_array(daily_model: BmiDeltaModel, index_type: type) -> None:
    """The array given to get_value_at_indices is filled in place and returned, once for each index."""
    for inds in ([0], [0, 0]):
        dest = np.full(len(inds), -1.0)
        assert daily_model.get_value_at_indices(AIR_TEMPERATURE, dest, np.array(inds, index_type)) is dest
        assert dest.tolist() == [9.0] * len(inds)


def test_index_out_of_range(daily_model: BmiDeltaModel) -> None:
    """There is index 0 only: another one is an error, and a set with it changes nothing."""
    with pytest.raises(IndexError):
        daily_model.get_value_at_indices(AIR_TEMPERATURE, np.empty(1), np.array([1]))
    with pytest.raises(ValueError, match=rf"{AIR_TEMPERATURE}: indices are .*, expected \[0\]"):
        daily_model.set_value_at_indices(AIR_TEMPERATURE, np.array([1]), np.array([20.0]))
    assert daily_model.get_value_ptr(AIR_TEMPERATURE).tolist() == [9.0]


def test_set_value_at_indices(daily_model: BmiDeltaModel) -> None:
    """With index 0, set_value_at_indices does what set_value does."""
    daily_model.set_value_at_indices(AIR_TEMPERATURE, np.array([0], np.int32), np.array([20.0]))
    assert daily_model.get_value_ptr(AIR_TEMPERATURE).tolist() == [20.0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int32", "int64", "uint8"])
def test_sources_of_other_types(daily_model: BmiDeltaModel, dtype: str) -> None:
    """Single precision and whole numbers are taken as the numbers they are."""
    daily_model.set_value(AIR_TEMPERATURE, np.array([21], dtype))
    assert daily_model.get_value_ptr(AIR_TEMPERATURE).tolist() == [21.0]
    daily_model.update()


def test_single_precision_is_not_rounded_again(daily_model: BmiDeltaModel) -> None:
    """A float32 value arrives as the float64 it is, as ngen hands over float32 forcing."""
    daily_model.set_value(RAIN, np.array([0.1], np.float32))
    assert daily_model.get_value_ptr(RAIN)[0] == float(np.float32(0.1))


@pytest.mark.parametrize(
    "src", [np.array([]), np.array([1.0, 2.0]), np.ones((2, 1)), np.array(["warm"])], ids=["none", "two", "column", "text"]
)
def test_source_of_wrong_size(daily_model: BmiDeltaModel, src: np.ndarray) -> None:
    """A source that is not one number is an error that names the variable, and the value stays."""
    with pytest.raises(ValueError, match=rf"(?s){AIR_TEMPERATURE}: cannot be set to .*, expected one number"):
        daily_model.set_value(AIR_TEMPERATURE, src)
    assert daily_model.get_value_ptr(AIR_TEMPERATURE).tolist() == [9.0]


def test_setting_an_unknown_name_is_logged_once(
    daily_model: BmiDeltaModel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, state_of: StateOf
) -> None:
    """Setting an unknown variable changes nothing and is logged once for each name."""
    monkeypatch.setattr(model_module, "_ignored", set())
    before = daily_model.get_value_ptr(RAIN).tolist(), state_of(daily_model)
    with caplog.at_level(logging.DEBUG, logger="bmi_dmg"):
        for name in ("soil_storage", "porosity", "soil_storage", "soil_storage"):
            daily_model.set_value(name, np.array([1.0, 2.0]))
        daily_model.set_value_at_indices("soil_storage", np.array([0]), np.array([1.0]))
    assert [record.getMessage().count("soil_storage") for record in caplog.records] == [1, 0]
    assert (daily_model.get_value_ptr(RAIN).tolist(), state_of(daily_model)) == before


def test_setting_an_input_of_another_method_is_ignored(daily_model: BmiDeltaModel) -> None:
    """With Hargreaves, setting an input of Penman–Monteith changes nothing."""
    daily_model.set_value(PRESSURE, np.array([-1.0]))
    daily_model.update()
    assert PRESSURE not in daily_model.get_input_var_names()


def test_reading_an_input_of_another_method(daily_model: BmiDeltaModel) -> None:
    """With Hargreaves, an input of Penman–Monteith cannot be read, and the error does not claim that the model is not initialized."""
    with pytest.raises((KeyError, StateError), match=PRESSURE) as caught:
        daily_model.get_value_ptr(PRESSURE)
    assert "not initialized" not in str(caught.value)


@pytest.mark.parametrize("name", OUTPUT_NAMES)
def test_outputs_cannot_be_set(daily_model: BmiDeltaModel, name: str, state_of: StateOf) -> None:
    """Setting an output is an error that names it and the inputs."""
    daily_model.update_until(24 * 3600)
    before = state_of(daily_model)
    with pytest.raises(ValueError, match=f"{re.escape(name)} is an output and cannot be set; inputs are {RAIN}"):
        daily_model.set_value(name, np.array([1.0]))
    assert state_of(daily_model) == before
