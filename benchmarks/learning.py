"""What learning costs: the process equations forward and in reverse, compiled and as torch runs them, and where an iteration's time goes.

    python benchmarks/learning.py [--basins 100] [--components 16] [--days 730] [--threads 2]

Both forms of the equations run the same weather and parameters, each in a process of its own, in turn, so that their ratio is that of one
machine at one time. Memory is what a process holds at most beyond what it held before its first run, compiled code included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter

import torch
from torch import Tensor

from dmg_core.checkpoint import ModelSettings
from dmg_core.learning.loop.optimization import denormals_as_zero
from dmg_core.learning.new_model import new_model
from dmg_core.model import DeltaModel
from dmg_core.physics import Hbv11p

DYNAMIC = ("parBETA", "parK0", "parBETAET")
ATTRIBUTES = tuple(f"attribute_{i}" for i in range(35))
FORMS = ("compiled", "torch")
REPEATS = 3


def weather(days: int, basins: int) -> Tensor:
    """Make weather (T, B, 3) with rain on some days and frost on some: mm, °C, mm."""
    random = torch.Generator().manual_seed(1)
    rain = torch.rand(days, basins, generator=random) ** 8 * 60.0
    warmth = 10.0 + 8.0 * torch.randn(days, basins, generator=random)
    return torch.stack([rain, warmth, 4.0 * torch.rand(days, basins, generator=random)], dim=-1)


def physics_run(form: str, options: argparse.Namespace) -> Callable[[], None]:
    """Give a function that runs HBV 1.1p forward and in reverse once."""
    hbv = Hbv11p(nmul=options.components, dynamic=DYNAMIC)
    random = torch.Generator().manual_seed(2)
    shapes = (
        (options.days, options.basins, len(DYNAMIC), options.components),
        (options.basins, len(hbv.static_parameters), options.components),
    )
    dynamic, static, routing = (torch.rand(shape, generator=random).requires_grad_() for shape in (*shapes, (options.basins, 2)))
    forcing = weather(options.days, options.basins)
    site = hbv.site(options.basins, forcing, {})

    def run() -> None:
        arguments = (forcing, dynamic, *hbv.constants(static, routing), site)
        flow = hbv.series("streamflow", *arguments) if form == "compiled" else hbv.simulate(*arguments)[0]["streamflow"]
        flow.square().mean().backward()

    return run


def peak_memory() -> float:
    """Most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def measure(form: str, options: argparse.Namespace) -> None:
    """Print seconds and MB of one form as JSON; the first run, which compiles, does not count."""
    run = physics_run(form, options)
    before = peak_memory()
    with denormals_as_zero():
        run()
        seconds = [timed(run) for _ in range(REPEATS)]
    say(json.dumps({"seconds": statistics.median(seconds), "memory": peak_memory() - before}))


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = perf_counter()
    run()
    return perf_counter() - started


def compare(options: argparse.Namespace) -> None:
    """Print both forms, each measured in processes of its own, in turn."""
    results: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for _ in range(REPEATS):
        for form, found in results.items():
            command = [sys.executable, __file__, "--form", form]
            command += [f"--{name}={getattr(options, name)}" for name in ("basins", "components", "days", "threads")]
            found.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    medians = {form: {key: statistics.median(one[key] for one in found) for key in found[0]} for form, found in results.items()}
    say(f"HBV 1.1p forward and in reverse, {options.basins} basins, {options.components} components, {options.days} days")
    for form, found in medians.items():
        say(f"  {form:9} {found['seconds']:8.3f} s {found['memory']:8.0f} MB")
    say(f"  ratio     {medians['torch']['seconds'] / medians['compiled']['seconds']:8.1f} × {memory_ratio(medians):7.1f} ×")


def memory_ratio(medians: dict[str, dict[str, float]]) -> float:
    """How many times the memory of the compiled form torch's takes."""
    return medians["torch"]["memory"] / max(medians["compiled"]["memory"], 1.0)


def make_model(options: argparse.Namespace, hidden: int) -> DeltaModel:
    """Make a δHBV 1.1p with 35 attributes."""
    settings = ModelSettings(
        physics="Hbv_1_1p",
        network="LstmModel",
        nmul=options.components,
        routing=True,
        nearzero=1e-5,
        dynamic=DYNAMIC,
        forcings=("prcp", "tmean", "PET"),
        attributes=ATTRIBUTES,
        log_norm=(),
        hidden_size=hidden,
        mlp_hidden_size=None,
    )
    return new_model(settings, dict.fromkeys((*settings.forcings, *ATTRIBUTES), (0.0, 1.0, 0.5, 1.0)), seed=0)


def take_apart(options: argparse.Namespace, hidden: int) -> None:
    """Print where the time of an iteration goes, half of the days being warm-up."""
    model = make_model(options, hidden).train()
    forcing, attributes = weather(options.days, options.basins), torch.rand(options.basins, len(ATTRIBUTES))
    x, _ = model.network_inputs(forcing, attributes)
    parts: dict[str, list[float]] = {"network": [], "whole forward": [], "reverse": []}
    with denormals_as_zero():
        for _ in range(REPEATS + 1):
            parts["network"].append(timed(lambda: model.lstm.hidden_series(x, model.lstm.initial_state(options.basins))))
            started = perf_counter()
            flow = model.streamflow(forcing, attributes, warm_up=options.days // 2)
            parts["whole forward"].append(perf_counter() - started)
            parts["reverse"].append(timed(flow.square().mean().backward))
    say(f"An iteration, LSTM {hidden}: " + ", ".join(f"{part} {statistics.median(times[1:]):.2f} s" for part, times in parts.items()))


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("basins", 100), ("components", 16), ("days", 730), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--form", choices=FORMS, help="measure one form in this process")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.form:
        measure(options.form, options)
        return
    compare(options)
    for hidden in (64, 128, 256):
        take_apart(options, hidden)


if __name__ == "__main__":
    main()
