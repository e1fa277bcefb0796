"""The device that a training runs on."""

from __future__ import annotations

import torch

from dmg_core.errors import ConfigError
from dmg_core.learning.loop.ranks import Ranks


def device_of(name: str, ranks: Ranks) -> torch.device:
    """Give the device that an experiment names, as far as this machine has it.

    Parameters
    ----------
    name : str
        ``cpu``; ``cuda:N``, one GPU; or ``cuda``, which gives each process of a machine a GPU of its own as long as there are enough.
    ranks : Ranks
        The processes that share the work.

    Raises
    ------
    ConfigError
        If PyTorch sees no such GPU.
    """
    wanted = torch.device(name)
    if wanted.type == "cpu":
        return wanted
    count = torch.cuda.device_count()
    if not count:
        raise ConfigError(
            f"device: {name} was asked for, but PyTorch {torch.__version__} sees no GPU on this machine; write device: cpu, or install a "
            "PyTorch made for the machine's CUDA"
        )
    place = ranks.place % count if wanted.index is None else wanted.index
    if place >= count:
        raise ConfigError(f"device: {name} was asked for, but this machine has {count} GPUs, cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", place)
