"""Static parameters of a prepared run, kept beside its BMI configs so that its starts need not compute them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmg_core.sharing import open_engine


def keep_static_parameters(configs: Mapping[Path, Mapping[str, Any]], model: Path) -> None:
    """Compute the static parameters of all catchments that compiled code steps, as far as they are not kept there already.

    Parameters
    ----------
    configs : mapping of Path to mapping
        BMI configs by their files, all in one folder.
    model : Path
        The model folder of all of them.
    """
    by_precision: dict[str, list[Mapping[str, Any]]] = {}
    for content in configs.values():
        if content.get("device", "cpu") == "cpu" and content.get("backend") != "torch":
            by_precision.setdefault(content.get("dtype", "float32"), []).append(content)
    for dtype, contents in by_precision.items():
        engine = open_engine(model, dtype, keep_in=next(iter(configs)).parent)
        columns = {name: [content[name] for content in contents] for name in engine.attribute_names}
        engine.add(columns, [content["catchment_id"] for content in contents])
        engine.compute_static_parameters()
