"""What a step of learning an hourly model costs: compiled against eager torch in one run, and where a week's iteration goes.

A hundred gauges through 351 days and 336 hours, forward and in reverse, at the widths given (by default those of the published model's
configuration), lumped. Both forms are run in turn, on one thread.

    python benchmarks/hourly_learning.py
    python benchmarks/hourly_learning.py --hidden 64 --mlp-hidden 4096 --components 4 --rounds 1
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bmi_dmg.demo.multi_timescale_model import multi_timescale_settings
from dmg_core.checkpoint import Moments, MultiTimescaleSettings, MultiTimescaleStatistics
from dmg_core.learning.new_model import new_multi_timescale_model
from dmg_core.multi_timescale import MultiTimescaleModel

DAYS, HOURS, WARM_UP = 351, 336, 168


def made_model(hidden: int, mlp_hidden: int, components: int, attributes: int) -> MultiTimescaleModel:
    """Put a model together, with random weights."""
    settings = multi_timescale_settings(hidden, mlp_hidden)
    names = ("meanelevation", *(f"a{i}" for i in range(attributes - 1)))
    daily, hourly = (replace(half, nmul=components, attributes=names) for half in (settings.daily, settings.hourly))
    settings = MultiTimescaleSettings(**{**vars(settings), "daily": daily, "hourly": hourly})
    zeros, ones = (0.0,) * attributes, (1.0,) * attributes
    routing = len(settings.routing_attributes)
    statistics = MultiTimescaleStatistics(
        daily=Moments((3.0, 8.0, 3.0), (8.0, 10.0, 2.0)),
        hourly=Moments((0.13, 8.0, 0.13), (0.5, 12.0, 0.1)),
        attributes=Moments(zeros, ones),
        routing_attributes=Moments(zeros[:1] * routing, ones[:1] * routing),
    )
    return new_multi_timescale_model(settings, statistics, 0)


def made_inputs(gauges: int, attributes: int) -> dict[str, Tensor]:
    """Weather and attributes."""
    rng = np.random.default_rng(0)

    def weather(steps: int, share: float) -> Tensor:
        shape = (steps, gauges)
        columns = [rng.gamma(0.3, 10.0 * share, shape), rng.normal(10.0, 8.0, shape), rng.uniform(0.0, 5.0 * share, shape)]
        return torch.from_numpy(np.stack(columns, axis=-1)).float()

    return {
        "days": weather(DAYS, 1.0),
        "hours": weather(HOURS, 1.0 / 24.0),
        "attributes": torch.from_numpy(rng.normal(0.0, 1.0, (gauges, attributes))),
        "upstream_area": torch.from_numpy(rng.uniform(5.0, 500.0, gauges)).float(),
        "elevation": torch.full((gauges,), 300.0),
    }


def compiled(model: MultiTimescaleModel, given: dict[str, Tensor]) -> Tensor:
    """Flow of the last week, as learning runs it."""
    site = {name: given[name] for name in ("upstream_area", "elevation")}
    state = model.anchored(given["days"], given["attributes"], **site)
    return model.hourly_series(given["hours"], given["attributes"], state, **site)[0][WARM_UP:]


def eager(model: MultiTimescaleModel, given: dict[str, Tensor]) -> Tensor:
    """Flow of the last week, operation by operation."""
    return model(**given)[0]["streamflow"][WARM_UP:]


def step(form: Callable[..., Tensor], model: MultiTimescaleModel, given: dict[str, Tensor]) -> tuple[float, float]:
    """Seconds of the run forward, and of that in reverse."""
    model.zero_grad(set_to_none=True)
    started = time.perf_counter()
    loss = form(model, given).square().mean()
    between = time.perf_counter()
    loss.backward()
    return between - started, time.perf_counter() - between


def shares(model: MultiTimescaleModel, given: dict[str, Tensor]) -> list[tuple[str, float]]:
    """Where the time of the compiled form goes, %, by the operations of the profile."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step(compiled, model, given)
    kinds = {
        "equations": ("_Series",), "LSTM": ("lstm", "mkldnn_rnn"), "matrix products": ("addmm", "aten::mm", "bmm", "linear"),
    }  # fmt: skip
    total, found = 0.0, dict.fromkeys([*kinds, "the rest"], 0.0)
    for event in profile.key_averages():
        own = event.self_cpu_time_total
        total += own
        kind = next((name for name, parts in kinds.items() if any(part in event.key for part in parts)), "the rest")
        found[kind] += own
    return [(name, 100.0 * own / total) for name, own in found.items()]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"gauges": 100, "hidden": 32, "mlp-hidden": 64, "components": 1, "attributes": 28, "rounds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model, inputs = (
        made_model(given.hidden, given.mlp_hidden, given.components, given.attributes),
        made_inputs(given.gauges, given.attributes),
    )
    model.train()
    forms: dict[str, Any] = {"compiled": compiled, "eager": eager}
    step(compiled, model, inputs)  # machine code
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for _ in range(given.rounds):
        for name, form in forms.items():
            times[name].append(step(form, model, inputs))
    medians = {name: np.median(np.array(found), axis=0) for name, found in times.items()}
    for name, (forward, reverse) in medians.items():
        sys.stdout.write(f"{name}: {forward + reverse:.2f} s, forward {forward:.2f}, reverse {reverse:.2f}\n")
    sys.stdout.write(f"ratio: {sum(medians['eager']) / sum(medians['compiled']):.1f}\n")
    sys.stdout.write(", ".join(f"{name} {share:.0f} %" for name, share in shares(model, inputs)) + "\n")


if __name__ == "__main__":
    main()
