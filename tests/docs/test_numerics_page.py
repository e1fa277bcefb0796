"""The page on implicit steps: its model works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmg_core.equations import step_arrays
from dmg_core.models import PROCESS_MODELS

PAGE = Path(__file__).parents[2] / "docs" / "numerics.md"


def test_the_model_of_the_page_keeps_its_water(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered as it is shown, it is solved, and what comes in goes out or stays."""
    monkeypatch.setattr(PROCESS_MODELS, "_entries", dict(PROCESS_MODELS._entries))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    space: dict[str, Any] = {"__name__": "page"}
    exec(code, space)
    model = PROCESS_MODELS["TwoReservoirs"]()
    stores, rain = np.array([[[40.0, 10.0]], [[0.0, 0.0]]]), np.array([[10.0], [0.0]])
    after, fluxes = step_arrays(model, stores, np.full((2, 1, 3), [0.005, 0.2, 0.05]), rain)
    np.testing.assert_allclose(after.sum(-1), stores.sum(-1) + rain - fluxes.sum(-1), atol=1e-13)
    assert (fluxes[0] > 0.0).all()
