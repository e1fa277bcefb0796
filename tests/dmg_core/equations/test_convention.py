"""The torch form under our convention, whatever torch is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dmg_core.equations import torch_convention
from dmg_core.equations.convention import _REPLACEMENTS, _Convention
from tests.dmg_core.equations.test_rules import KINKS

#: Kinks at which torch itself follows the convention, or its replacement must.
CASES = [kink for kink in KINKS if kink[0].split()[0] not in ("not", "nor", "0", "logarithm")]


def slopes(function: Callable[..., Any], point: tuple[float, float]) -> tuple[float, tuple[float, ...]]:
    """Value and slopes of the torch form."""
    inputs = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in point]
    value = function(*inputs)
    found = torch.autograd.grad(value, inputs, allow_unused=True)
    return float(value.detach()), tuple(0.0 if each is None else float(each) for each in found)


@pytest.mark.parametrize(("what", "function", "point", "value", "expected"), CASES, ids=[kink[0] for kink in CASES])
def test_the_torch_form_follows_the_convention(what: str, function: Any, point: Any, value: float, expected: Any) -> None:
    """Within the context, with the torch that is installed."""
    with torch_convention():
        assert slopes(function, point) == (value, expected)


@pytest.mark.parametrize(("what", "function", "point", "value", "expected"), CASES, ids=[kink[0] for kink in CASES])
def test_what_stands_in_for_torchs_functions_follows_it_too(what: str, function: Any, point: Any, value: float, expected: Any) -> None:
    """With all functions replaced, as if torch differed everywhere."""
    with _Convention(frozenset(_REPLACEMENTS)):
        assert slopes(function, point) == (value, expected)


def test_replacements_have_torchs_values() -> None:
    """Bit for bit, for functions and methods, bounds of all kinds, and NaN."""
    x = torch.tensor([-2.0, -0.5, 0.0, 0.3, 1.0, 7.0, float("nan")], dtype=torch.float64)
    y = x.flip(0)
    calls: list[Callable[[], Any]] = [
        lambda: torch.clamp(x, min=0.0),
        lambda: x.clamp(max=0.3),
        lambda: x.clip(-0.5, 1.0),
        lambda: torch.clamp(x, y.nan_to_num(0.1), torch.tensor(5.0, dtype=torch.float64)),
        lambda: x.clamp_min(0.3),
        lambda: torch.clamp_max(x, 0.3),
        lambda: torch.minimum(x, y),
        lambda: torch.maximum(x, y),
        lambda: torch.relu(x),
    ]
    for call in calls:
        with _Convention(frozenset(_REPLACEMENTS)):
            replaced = call()
        assert torch.equal(replaced.nan_to_num(-9.0), call().nan_to_num(-9.0))
