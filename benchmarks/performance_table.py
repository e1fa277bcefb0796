"""Put the figures of ``bmi-dmg bench --json FILE`` into docs/performance.md, between its markers.

python benchmarks/performance_table.py bench.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from bmi_dmg.bench.report import lines, middle, short
from dmg_core.files import written_whole

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
#: Load up to which a machine has nothing else to do.
IDLE: Final = 0.5
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


class Target(NamedTuple):
    """What a figure is to reach."""

    text: str
    reached: Callable[[float], bool]


#: By model and label.
TARGETS: Final = {
    ("daily", "start, nothing compiled, s"): Target("≤ 8", lambda value: value <= 8.0),
    ("daily", "start, compiled code on disk, s"): Target("≤ 1", lambda value: value <= 1.0),
    ("daily", "stepping, s per catchment-year"): Target("≤ 0.15", lambda value: value <= 0.15),
    ("hourly", "stepping, s per catchment-year"): Target("≤ 0.35", lambda value: value <= 0.35),
    ("multi-timescale", "stepping, s per catchment-year"): Target("≤ 0.35", lambda value: value <= 0.35),
    ("multi-timescale", "memory per further catchment, KB"): Target("≤ 40", lambda value: value <= 40.0),
    ("daily", "initialize, ms per catchment"): Target("≤ 3", lambda value: value <= 3.0),
    ("daily", "memory per further catchment, KB"): Target("≤ 64", lambda value: value <= 64.0),
    ("daily", "dearest over cheapest of these"): Target("≤ 1.25", lambda value: value <= 1.25),
    ("daily", "batch, threads: 2, catchment-days/s"): Target("≥ 1 500 000", lambda value: value >= 1.5e6),
}
#: How many times the public package's figure ours is to be.
RATIO_TARGETS: Final = {("daily", "stepping, s per catchment-year"): Target("≥ 80", lambda ratio: ratio >= 80.0)}


def render(results: Mapping[str, Any]) -> Iterator[str]:
    """Give the lines of the section in Markdown."""
    machine, software = results["machine"], results["software"]
    yield f"Measured {results['time'][:10]} on {machine['cpu']}, {machine['cpus']} CPUs, {machine['memory_gb']} GB, {machine['system']};"
    yield f"{', '.join(f'{name} {version}' for name, version in software.items())}."
    if machine["load_before"] and machine["load_before"][0] > IDLE:
        yield f"**The machine was busy with other work (load {machine['load_before'][0]}): times are too long, and spreads too wide.**"
    against = results.get("against")
    if against:
        yield f"\nThe public package: dhbv2 {against['dhbv2']}, torch {against['torch']}, measured in the same run."
        yield from (f"Its {name} class: {note}." for name, note in against["notes"].items())
    yield "\n| model | figure | median | low … high | target | reached | public | ratio |"
    yield "|---|---|--:|--:|--:|:-:|--:|--:|"
    theirs = {(name, label): middle(value) for name, label, value in lines(against["figures"])} if against else {}
    for name, label, value in lines(results["figures"]):
        spread = f"{short(value['low'])} … {short(value['high'])}" if isinstance(value, Mapping) else ""
        target = TARGETS.get((name, label))
        other, ratio = theirs.get((name, label)), results.get("ratios", {}).get(name, {}).get(label)
        cells = [name, label, short(middle(value)), spread, *_judged(target, middle(value))]
        yield _row([*cells, "" if other is None else short(other), _ratio(ratio, RATIO_TARGETS.get((name, label)))])


def _judged(target: Target | None, value: float) -> tuple[str, str]:
    return ("", "") if target is None else (target.text, "yes" if target.reached(value) else "**no**")


def _ratio(ratio: float | None, target: Target | None) -> str:
    if ratio is None:
        return ""
    return short(ratio) if target is None else f"{short(ratio)} (target {target.text}: {'yes' if target.reached(ratio) else '**no**'})"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Rewrite the section of the page."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    section = "\n".join(render(results))
    with written_whole(PAGE) as stream:
        stream.write(f"{before}{BEGIN}\n{section}\n{END}{after}".encode())


if __name__ == "__main__":
    main()
