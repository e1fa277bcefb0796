"""How well the photosynthesis of leaves recovers a truth that is known, with and without noise in what was observed.

Ten plant types on twelve soils, 2000 samples: ``python benchmarks/leaf_recovery.py --noise 0.1``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dmg_core.data.samples import columns_of
from dmg_core.learning.evaluation import evaluate_folders
from dmg_core.learning.loop.train import train
from tests.dmg_core.learning.leaves import CAPACITY, NAMES, ONE_HOT, TYPES, exponents, make_experiment, make_leaves


def main() -> None:
    """Train, and print the errors of what was learned."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=float, default=0.1, help="relative error of what was observed, a standard deviation")
    parser.add_argument("--seeds", type=int, default=3, help="trainings, each with another seed")
    arguments = parser.parse_args()
    for seed in range(arguments.seeds):
        data = {"reader": "made_leaves", "file": "/made", "noise": arguments.noise}
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            train(make_experiment(data=data, seed=seed, validation={"every": 5}), Path(folder) / "training")
            found = evaluate_folders([Path(folder) / "training"], Path("/made"), None)
        columns = columns_of(found.basins.groups)
        capacities = np.array([found.parameters["parVcmax25"][columns[name]].mean() for name in TYPES])
        soils = make_leaves(len(found.basins.ids)).attributes[:, [len(ONE_HOT) + NAMES.index(name) for name in NAMES[:3]]]
        errors = np.abs(np.stack([found.parameters[f"parB{n}"] for n in range(1, 6)], axis=-1) / exponents(soils) - 1.0)
        off = np.abs(capacities / CAPACITY - 1.0)
        layers = [", ".join(f"{100 * each:.1f}" for each in values) for values in (np.median(errors, axis=0), errors.max(axis=0))]
        sys.stdout.write(
            f"noise {arguments.noise:g}, seed {seed}: Vcmax25 off by {100 * np.median(off):.2f} % in the median of types, "
            f"{100 * off.max():.2f} % at most; B by layer, median {layers[0]} %, at most {layers[1]} %; "
            f"{time.process_time() - started:.0f} s of CPU\n"
        )


if __name__ == "__main__":
    main()
