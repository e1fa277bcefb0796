"""Tests of steps without a solution: no number is handed on without a word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dmg_core import Engine
from dmg_core.errors import SolutionError
from dmg_core.learning.new_model import new_model
from dmg_core.models import PROCESS_MODELS
from tests.dmg_core.equations.rate_models import Jump
from tests.dmg_core.factories import MOMENTS, make_settings

PROCESS_MODELS.register("GateOfTests")(Jump)


def make_gates(count: int) -> Engine:
    """Reservoirs with a gate that opens at 10 mm, empty at first."""
    settings = replace(make_settings("GateOfTests", nmul=1, dynamic=(), routing=False, attributes=("aridity",)), forcings=("P",))
    statistics = {name: (0.0, 0.0, *moments) for name, moments in MOMENTS.items()}
    engine = Engine(new_model(settings, statistics, 0).double())
    engine.add({"aridity": np.ones(count)}, [f"cat-{number}" for number in range(1, count + 1)])
    return engine


def test_a_series_names_catchment_store_and_step() -> None:
    """9 mm lie there when 3 mm rain: with the gate closed it would be open, and open it would be closed."""
    engine = make_gates(3)
    rain = np.full((6, 3, 1), 1.0)
    rain[:4, 1] = 3.0
    with pytest.raises(SolutionError, match="catchment cat-2: GateOfTests holds no number in S since step 4 of 6: its equations have"):
        engine.run(rain)


@pytest.mark.parametrize("whole", [True, False])
def test_a_step_that_has_no_solution_is_an_error(whole: bool) -> None:
    """Of all catchments or of one; another one goes on as if nothing had been."""
    engine, beside = make_gates(2), make_gates(2)
    for each in (engine, beside):
        each.run(np.array([[[3.0], [1.0]]] * 3))
    with pytest.raises(SolutionError, match="catchment cat-1: GateOfTests holds no number in S since step 1 of 1"):
        engine.step([[3.0], [1.0]]) if whole else engine.advance(0, 3.0)
    if not whole:
        assert engine.advance(1, 2.0).tolist() == beside.advance(1, 2.0).tolist()
        with pytest.raises(SolutionError, match="cat-1"):  # its state stays of no use
            engine.advance(0, 0.0)


def test_outputs_need_not_be_asked_for() -> None:
    """A run whose outputs nobody looks at is refused too; then the step is not known."""
    engine = make_gates(1)
    with pytest.raises(SolutionError, match="catchment cat-1: GateOfTests holds no number in S: its equations"):
        engine.run(np.full((4, 1, 1), 3.0), outputs=[])


def test_the_torch_form_says_the_same() -> None:
    """With the other backend, too."""
    engine = make_gates(1)
    engine = Engine(engine.model, backend="torch")
    engine.add({"aridity": np.ones(1)})
    with torch.no_grad(), pytest.raises(SolutionError, match="holds no number in S since step 4 of 5"):
        engine.run(np.full((5, 1, 1), 3.0))
