"""Parameters that do not vary in time: computed once per catchment, together for all that wait for theirs.

In δHBV 2.0 they follow from attributes through a network that holds most of a model's weights; it is needed for this alone and let go of
afterwards. In 1.0 and 1.1p they are the LSTM's outputs at the end of a series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import numpy.typing as npt

from dmg_core.deferred import torch
from dmg_core.engine.arrays import CatchmentArrays
from dmg_core.errors import StateError
from dmg_core.model_form import KeptForm, ModelForm

if TYPE_CHECKING:
    from dmg_core.model import DeltaModel

Rows = npt.NDArray[np.int64]

#: Catchments whose parameters are computed in one pass. The pass always has this many rows, so that a catchment gets the same numbers
#: whichever others wait with it.
BLOCK: Final = 128

#: How many threads torch uses is a setting of the process: engines in several threads change it in turn.
_setting_torch_threads: Final = Lock()


class StaticParameters:
    """Computes static parameters and writes them into the arrays.

    Parameters
    ----------
    model : DeltaModel or KeptForm
        The model, or what was kept of it: then it is read when something is to be computed.
    reload : callable, optional
        Gives the model anew. With it, the network behind static parameters is let go of after use and brought back when needed again.
    """

    def __init__(self, model: ModelForm, reload: Callable[[], DeltaModel] | None) -> None:
        self._form = model
        self._read: DeltaModel | None = None if isinstance(model, KeptForm) else cast("DeltaModel", model)
        self._reload = reload

    @property
    def _model(self) -> DeltaModel:
        if self._read is None:
            assert self._reload is not None  # what is kept was read from somewhere
            self._read = self._reload()
        return self._read

    def from_attributes(self, arrays: CatchmentArrays, rows: Rows, *, keep_network: bool) -> None:
        """Compute the parameters of ``rows`` from their attributes, and let go of the network unless it is to be kept."""
        if len(rows):
            self._bring_back_network()
            with _one_torch_thread(), torch.inference_mode():
                for start in range(0, len(rows), BLOCK):
                    self._compute_block(arrays, rows[start : start + BLOCK])
        if not keep_network:
            self._let_go_of_network()

    def _compute_block(self, arrays: CatchmentArrays, rows: Rows, forcing: npt.NDArray[np.float64] | None = None) -> None:
        count, steps = len(rows), 0 if forcing is None else len(forcing)
        attributes, weather = (
            np.zeros((BLOCK, arrays.attributes.shape[1])),
            np.zeros((steps, BLOCK, len(self._model.physics.process.forcings))),
        )
        attributes[:count] = arrays.attributes[rows]
        if forcing is not None:
            weather[:, :count] = forcing
        x, traits = self._model.network_inputs(
            torch.from_numpy(weather).to(self._model.device), torch.from_numpy(attributes).to(self._model.device)
        )
        static, routing = self._model.static_fractions(traits, x)
        longest = self._model.longest_delays(torch.from_numpy(attributes[:count]))
        self._write(arrays, rows, static[:count], routing[:count], longest)

    def from_series(self, arrays: CatchmentArrays, rows: Rows, forcing: npt.NDArray[np.float64]) -> None:
        """Take the parameters of the N ``rows`` from the end of their series, ``forcing`` (T, N, F).

        Raises
        ------
        StateError
            If the series has no steps.
        """
        if not len(forcing):
            raise StateError(f"a series without steps cannot give the static parameters of {self._form.settings.physics}")
        with _one_torch_thread(), torch.inference_mode():
            for start in range(0, len(rows), BLOCK):
                self._compute_block(arrays, rows[start : start + BLOCK], forcing[:, start : start + BLOCK])

    def require_settled(self, arrays: CatchmentArrays, rows: slice, ids: Sequence[str]) -> None:
        """Make sure that a series has given the parameters of ``rows``; ``ids`` are the names of all.

        Raises
        ------
        StateError
            If some wait for one; they are named.
        """
        waiting = [ids[row] for row in range(rows.start, rows.stop) if not arrays.settled[row]]
        if waiting:
            raise StateError(
                f"static parameters of {self._form.settings.physics} are the network's outputs at the end of a series: "
                f"run a spin-up series first (Engine.run); waiting: {', '.join(waiting[:5])}{' …' if len(waiting) > 5 else ''}"
            )

    def _write(
        self, arrays: CatchmentArrays, rows: Rows, static: torch.Tensor, routing: torch.Tensor, longest: torch.Tensor | None
    ) -> None:
        values, weights = self._model.physics.constants(static.cpu().double(), routing.cpu().double(), longest)
        arrays.parameters[rows] = values.numpy()
        arrays.hydrograph[rows] = weights.numpy()
        arrays.settled[rows] = True

    def whole_model(self) -> DeltaModel:
        """Give the model with all its weights."""
        return self._reload() if self._reload is not None and self._is_gone else self._model

    @property
    def _is_gone(self) -> bool:
        part = self._model.network.static_part
        return part is not None and next(part.parameters()).device.type == "meta"

    def _let_go_of_network(self) -> None:
        if self._read is None:
            return
        part = self._model.network.static_part
        if self._reload is not None and part is not None and not self._is_gone:
            part.to("meta")

    def _bring_back_network(self) -> None:
        part = self.whole_model().network.static_part
        if part is not None:
            self._model.network.replace_static_part(part.to(self._model.device))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep torch to one thread, so that sums do not depend on how many there are, nor many ranks on one machine get in each other's way."""
    with _setting_torch_threads:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
