"""Two ways to advance the catchments of an engine: compiled code for CPU, and torch for any device.

Both read and write the same arrays (:mod:`dmg_core.state`) and share one interface, :class:`Backend`.
"""

from dmg_core.backends.base import Backend
from dmg_core.backends.compiled_backend import CompiledBackend
from dmg_core.backends.torch_backend import TorchBackend

__all__ = ["Backend", "CompiledBackend", "TorchBackend"]
