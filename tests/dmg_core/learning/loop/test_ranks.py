from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed

from dmg_core.errors import ConfigError
from dmg_core.learning.loop.ranks import Ranks, launch, started_ranks
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import write_experiment
from dmg_core.loading import load_model
from tests.dmg_core.learning.synthetic import make_document, make_experiment

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import sys
from pathlib import Path
from dmg_core.learning.settings.experiment_file import read_experiment
from dmg_core.learning.loop.train import train
import tests.dmg_core.learning.synthetic
train(read_experiment(sys.argv[1]), Path(sys.argv[2]), resume=len(sys.argv) > 3)
"""
#: Nothing random but what all processes draw alike, so that two of them can be held against one.
PLAIN: dict[str, Any] = {
    "model": {**make_document()["model"], "dropout": 0.0},
    "sampler": {"name": "windows", "basins": 4, "days": 60, "warm_up": 20},
    "loss": {"name": "mse"},
    "precision": "float64",
    "gradient_clip": None,
}


def train_together(tmp_path: Path, out: Path, *more: str, experiment: Experiment | None = None) -> None:
    """Train with two processes, by default on basins."""
    (tmp_path / "program.py").write_text(PROGRAM)
    write_experiment(tmp_path / "experiment.yaml", experiment or make_experiment(**PLAIN))
    # The tests' own modules are imported from the repository; the packages under test stay those of this process.
    packages = str(Path(train.__code__.co_filename).parents[3])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([packages, str(ROOT)]))
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.delenv("PYTHONSAFEPATH", raising=False)
        command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "experiment.yaml"), str(out), *more]
        assert launch(command, 2) == 0


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """Each takes half of the basins of a batch; the weights come out as those of one process, to rounding."""
    train(make_experiment(**PLAIN), tmp_path / "alone")
    train_together(tmp_path, tmp_path / "together")
    alone, together = (load_model(tmp_path / name / "model").network.state_dict() for name in ("alone", "together"))
    for name, weights in alone.items():
        torch.testing.assert_close(together[name], weights, rtol=1e-4, atol=1e-6)
    assert json.loads((tmp_path / "together" / "versions.json").read_text())["torch"] == torch.__version__


def test_as_many_processes_must_go_on(tmp_path: Path) -> None:
    """A checkpoint of two processes cannot be gone on with by one."""
    train_together(tmp_path, tmp_path / "together")
    with pytest.raises(ConfigError, match="was written by 2 processes, so as many must go on, not 1"):
        train(make_experiment(**PLAIN), tmp_path / "together", resume=True)


def test_one_process_shares_with_none() -> None:
    """Without a launcher there is one rank, which leads and takes everything."""
    with started_ranks() as ranks:
        assert (ranks.rank, ranks.count, ranks.leads) == (0, 1, True)
    assert list(Ranks().share(torch.arange(3).numpy())) == [0, 1, 2]


def test_the_first_that_fails_is_told_and_ends_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    """Its exit status is that of all and its words are told; the one that would go on for an hour is ended."""
    program = (
        "import os, sys, time; print('rank', os.environ['RANK']); time.sleep(3600) if os.environ['RANK'] == '0' else sys.exit('no data')"
    )
    begin = time.monotonic()
    assert launch([sys.executable, "-c", program], 2) == 1
    assert time.monotonic() - begin < 60.0
    told = capfd.readouterr()
    assert told.err == "no data\n"
    assert "rank 1" not in told.out


def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    """Ctrl-C reaches the one that has started them, and none of them is left."""
    program = "import os, sys, time; open(sys.argv[1] + os.environ['RANK'], 'w').write(str(os.getpid())); time.sleep(3600)"

    def interrupt() -> None:
        while len(list(tmp_path.glob("pid*"))) < 2:
            time.sleep(0.05)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        launch([sys.executable, "-c", program, str(tmp_path / "pid")], 2)
    thread.join()
    for file in tmp_path.glob("pid*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


@pytest.mark.parametrize("weights", [(3.0, 1.0), (1.0, 7.0), (5.0, 0.0)])
def test_gradients_are_weighted(weights: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of two processes become their average by weight, parameter by parameter; those without a gradient are left out."""
    mine, others = [torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])], [torch.tensor([10.0, -4.0]), torch.tensor([[7.0]])]
    calls = []

    def all_reduce(tensor: torch.Tensor) -> None:
        calls.append(tensor.numel())
        of_other = [weights[1]] if len(calls) == 1 else torch.cat([gradient.reshape(-1) for gradient in others]) * weights[1] / sum(weights)
        tensor += torch.as_tensor(of_other, dtype=tensor.dtype)

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in mine] + [torch.nn.Parameter(torch.zeros(5))]
    for parameter, gradient in zip(parameters, mine, strict=False):
        parameter.grad = gradient.clone()
    Ranks(0, 2).average_gradients(parameters, weights[0])
    assert calls == [1, 3]
    for parameter, one, other in zip(parameters, mine, others, strict=False):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, (weights[0] * one + weights[1] * other) / sum(weights))
    assert parameters[2].grad is None
