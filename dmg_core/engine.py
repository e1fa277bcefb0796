"""One trained model and the state of many catchments.

An :class:`Engine` holds a network once and a row of arrays for each catchment. Catchments are stepped one by one, all together, or
through whole series; in any mixture the numbers are those of one batch run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import torch

from dmg_core.backends import Backend, CompiledBackend, TorchBackend
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError, StateError
from dmg_core.model import DeltaModel, load_model
from dmg_core.networks import LstmMlpModel
from dmg_core.networks.kernels import input_layer_of
from dmg_core.physics.hbv import OUTPUTS
from dmg_core.physics.kernels import BUDGET, parameter_columns
from dmg_core.state import INITIAL_STORAGE, CatchmentArrays

FloatArray = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

BACKENDS: Final = ("auto", "compiled", "torch")

#: Catchments whose static parameters are computed in one pass. The pass always has this many rows, so that a catchment gets the same
#: numbers whichever others wait with it.
STATIC_BLOCK: Final = 32

_ALL_OUTPUTS = np.arange(len(OUTPUTS))
_FORCING = ("precipitation", "temperature", "potential evapotranspiration")


class Engine:
    """A model and its catchments.

    Parameters
    ----------
    model : DeltaModel
        The model; the engine puts it on ``device`` and in evaluation mode.
    device : str
        Torch device, such as ``cpu`` or ``cuda``.
    backend : {"auto", "compiled", "torch"}
        ``compiled`` is machine code for CPU; ``torch`` works on every device; ``auto`` takes the former on CPU, the latter elsewhere.
    threads : int
        Threads that :meth:`run` and :meth:`step` of the compiled backend may use.
    reload : callable, optional
        Gives the model anew. With it, the weights of the network behind static parameters, most of a model's memory, are let go once all
        catchments have theirs; catchments added later bring them back for a moment.

    Attributes
    ----------
    attribute_names : tuple of str
        Attributes a catchment must have.

    Raises
    ------
    ConfigError
        If the backend is unknown or does not work on the device.
    """

    def __init__(
        self,
        model: DeltaModel,
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
        reload: Callable[[], DeltaModel] | None = None,
    ) -> None:
        self.model = model.eval()
        self._reload = reload
        self.attribute_names = _needed_attributes(model)
        self._ids: list[str] = []
        self._arrays = CatchmentArrays.allocate(model, 0)
        self._backend = _make_backend(model, _torch_device(device), backend, threads)
        self._backend.bind(self._arrays)
        self._unsettled = False
        self._one_forcing = np.empty((1, 1, 3))
        self._one_result = np.empty((len(OUTPUTS), 1, 1))

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        dtype: str | torch.dtype = "float32",
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 1,
        keep_static_network: bool = False,
    ) -> Engine:
        """Make an engine of its own from a model folder; see :func:`shared_engine` for one shared by a process.

        Parameters
        ----------
        folder : str or Path
            Model folder; see :func:`dmg_core.load_model`.
        dtype : str or torch.dtype
            Precision of the network. Stores are float64 always.
        device, backend, threads
            See the class.
        keep_static_network : bool
            Keep the weights behind static parameters in memory; worth it where catchments are added now and then.
        """

        def load() -> DeltaModel:
            return load_model(folder, dtype)

        return cls(load(), device, backend, threads, reload=None if keep_static_network else load)

    def __len__(self) -> int:
        """Return the number of catchments."""
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """Catchment ids, in row order."""
        return tuple(self._ids)

    def add(self, attributes: Mapping[str, Any], ids: Iterable[str] | None = None) -> list[Catchment]:
        """Add catchments that start from nothing.

        Their static parameters are computed when first needed, together with those of all others that wait.

        Parameters
        ----------
        attributes : mapping of str to array-like (N,)
            Values by name, a table with such columns included; those the model does not need are ignored.
        ids : iterable of str, optional
            Names for messages; row numbers by default.

        Returns
        -------
        list of Catchment
            N handles.

        Raises
        ------
        AttributeTableError
            If attributes are missing, of different lengths or non-finite. Nothing is added then.
        """
        values = self._attribute_table(attributes)
        count = len(values)
        first = len(self)
        names = [str(name) for name in ids] if ids is not None else [str(row) for row in range(first, first + count)]
        if len(names) != count:
            raise AttributeTableError(f"{len(names)} ids for {count} catchments")
        _check_finite(values, names, self.attribute_names)
        if first + count > self._arrays.capacity:
            self._arrays.grow(self.model, max(first + count, 2 * self._arrays.capacity))
            self._backend.bind(self._arrays)
        self._arrays.attributes[first : first + count] = values[:, : self._arrays.attributes.shape[1]]
        self._place(slice(first, first + count), values)
        self._ids += names
        self._unsettled = True
        return [Catchment(self, row) for row in range(first, first + count)]

    def step(self, forcing: npt.ArrayLike) -> dict[str, FloatArray]:
        """Advance all catchments by one step.

        Parameters
        ----------
        forcing : array-like, shape (N, 3)
            Precipitation (mm per step), temperature (°C) and potential evapotranspiration (mm per step).

        Returns
        -------
        dict of str to ndarray (N,)
            All of :data:`dmg_core.physics.hbv.OUTPUTS`.

        Raises
        ------
        ForcingError
            If the forcing has the wrong shape or is not finite.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        series = np.ascontiguousarray(forcing, np.float64)[None]
        self._check_forcing(series)
        self._settle()
        return {name: values[0] for name, values in self._advance(0, len(self), series, OUTPUTS).items()}

    def run(self, forcing: npt.ArrayLike, outputs: Sequence[str] = OUTPUTS) -> dict[str, FloatArray]:
        """Advance all catchments through a series, going on from their current state.

        The first series that catchments of a 1.0 or 1.1p model are run through also fixes their static parameters: they are the network's
        outputs at the end of that series, as in the batch runs such models are trained with.

        Parameters
        ----------
        forcing : array-like, shape (T, N, 3)
            Precipitation (mm per step), temperature (°C) and potential evapotranspiration (mm per step).
        outputs : sequence of str
            Which outputs are wanted; fewer need less memory.

        Returns
        -------
        dict of str to ndarray (T, N)
            Depths in mm per step, stores in mm at the end of the step.

        Raises
        ------
        ForcingError
            If the forcing has the wrong shape or is not finite.
        """
        series = np.ascontiguousarray(forcing, np.float64)
        self._check_forcing(series)
        unknown = [name for name in outputs if name not in OUTPUTS]
        if unknown:
            raise ConfigError(f"unknown outputs {', '.join(unknown)}; there are {', '.join(OUTPUTS)}")
        if self.model.static_from_series:
            self._settle_from_series(series)
        else:
            self._settle()
        return self._advance(0, len(self), series, outputs)

    def advance(self, row: int, precipitation: float, temperature: float, pet: float) -> FloatArray:
        """Advance one catchment by one step; the fast path under :meth:`Catchment.step`.

        Returns
        -------
        ndarray, shape (len(OUTPUTS),)
            The outputs; the same array at every call.
        """
        if self._unsettled:
            self._settle()
        weather = self._one_forcing[0, 0]
        weather[0], weather[1], weather[2] = precipitation, temperature, pet
        self._backend.advance(row, row + 1, self._one_forcing, _ALL_OUTPUTS, self._one_result)
        return self._one_result[:, 0, 0]

    def budget(self) -> dict[str, FloatArray]:
        """Water budget of each catchment since it was added.

        Returns
        -------
        dict of str to ndarray (N,)
            Sums of precipitation, regional exchange (positive: gained), aet, streamflow and leakage through numerical clamps (negative:
            created), the change of storage (stores, and water under way), and the residual, which is rounding alone; mm.
        """
        rows = slice(0, len(self))
        budget = dict(zip(BUDGET, self._arrays.budget[rows].T.copy(), strict=True))
        budget["storage_change"] = self._arrays.storage(rows) - INITIAL_STORAGE
        gained = budget["precipitation"] + budget["regional_exchange"]
        budget["residual"] = gained - budget["aet"] - budget["streamflow"] - budget["leaked"] - budget["storage_change"]
        return budget

    def _attribute_table(self, attributes: Mapping[str, Any]) -> FloatArray:
        missing = [name for name in self.attribute_names if name not in attributes]
        if missing:
            raise AttributeTableError(f"attributes are missing: {', '.join(missing)}; the model needs {', '.join(self.attribute_names)}")
        columns = [np.atleast_1d(np.asarray(attributes[name], np.float64)) for name in self.attribute_names]
        lengths = {name: column.shape for name, column in zip(self.attribute_names, columns, strict=True)}
        if len(set(lengths.values())) != 1 or columns[0].ndim != 1:
            raise AttributeTableError(f"attributes differ in length: {lengths}")
        return np.stack(columns, axis=1)

    def _place(self, rows: slice, values: FloatArray) -> None:
        """Note what the equations need to know of new catchments besides their parameters."""
        if self.model.static_from_series:
            return
        area = values[:, self.attribute_names.index(self.model.settings.upstream_area)]
        height = values[:, self.attribute_names.index(self.model.settings.elevation)]
        columns = self.model.physics.site(
            len(values), torch.empty(0, dtype=torch.float64), torch.from_numpy(area), torch.from_numpy(height)
        )
        for name, column in columns._asdict().items():
            self._arrays.site[name][rows] = column[:, 0].numpy()

    def _settle(self) -> None:
        """Compute the static parameters of all catchments that wait for them."""
        waiting = self._waiting()
        if len(waiting) and self.model.static_from_series:
            names = ", ".join(self._ids[row] for row in waiting[:5])
            raise StateError(
                f"static parameters of {self.model.settings.physics} are the network's outputs at the end of a series: "
                f"run a spin-up series first (Engine.run); waiting: {names}{' …' if len(waiting) > 5 else ''}"
            )
        if len(waiting):
            self._bring_back_static_network()
            with _one_torch_thread():
                for start in range(0, len(waiting), STATIC_BLOCK):
                    self._settle_block(waiting[start : start + STATIC_BLOCK])
            self._let_go_of_static_network()
        self._unsettled = False

    def _let_go_of_static_network(self) -> None:
        network = self.model.network
        if self._reload is not None and isinstance(network, LstmMlpModel):
            network.ann.to("meta")

    def _bring_back_static_network(self) -> None:
        network = self.model.network
        if self._reload is None or not isinstance(network, LstmMlpModel) or network.ann.i2h.weight.device.type != "meta":
            return
        fresh = self._reload().network
        if isinstance(fresh, LstmMlpModel):
            network.ann = fresh.ann.to(self._network_device)

    @torch.inference_mode()
    def _settle_block(self, rows: npt.NDArray[np.int64]) -> None:
        padded = np.zeros((STATIC_BLOCK, self._arrays.attributes.shape[1]))
        padded[: len(rows)] = self._arrays.attributes[rows]
        traits = self.model.normalize_attributes(torch.from_numpy(padded)).to(self._network_device, self.model.dtype)
        static, routing = self.model.static_fractions(traits)
        self._store_constants(rows, static[: len(rows)], None if routing is None else routing[: len(rows)], traits[: len(rows)])

    @torch.inference_mode()
    def _settle_from_series(self, forcing: FloatArray) -> None:
        """Fix the static parameters of catchments that wait by the network's outputs at the end of a series."""
        waiting = self._waiting()
        for start in range(0, len(waiting), STATIC_BLOCK):
            rows = waiting[start : start + STATIC_BLOCK]
            weather = torch.from_numpy(forcing[:, rows]).to(self._network_device)
            x, traits = self.model.network_inputs(weather, torch.from_numpy(self._arrays.attributes[rows]).to(self._network_device))
            self._store_constants(rows, *self.model.static_fractions(traits, x), traits)
        if len(waiting):
            _log.info("static parameters of %d catchments are fixed by the end of a series of %d steps", len(waiting), len(forcing))
        self._unsettled = False

    def _store_constants(
        self, rows: npt.NDArray[np.int64], static: torch.Tensor, routing: torch.Tensor | None, traits: torch.Tensor
    ) -> None:
        arrays, physics = self._arrays, self.model.physics
        values, hydrograph = physics.constants(static.cpu().double(), None if routing is None else routing.cpu().double())
        symbols = parameter_columns(physics.variant)
        for symbol, value in values.items():
            arrays.parameters[rows, :, symbols.index(symbol)] = value.numpy()
        arrays.hydrograph[rows] = hydrograph.numpy()
        arrays.fixed[rows] = input_layer_of(self.model.lstm, traits.cpu().numpy())
        arrays.settled[rows] = True

    def _waiting(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(~self._arrays.settled[: len(self)])

    @property
    def _network_device(self) -> torch.device:
        return self.model.lstm.linear_in.weight.device

    def _advance(self, first: int, last: int, series: FloatArray, outputs: Sequence[str]) -> dict[str, FloatArray]:
        selection = np.array([OUTPUTS.index(name) for name in outputs], np.int64)
        results = np.empty((len(selection), len(series), last - first))
        self._backend.advance(first, last, series, selection, results)
        return dict(zip(outputs, results, strict=True))

    def _check_forcing(self, series: FloatArray) -> None:
        if series.ndim != 3 or series.shape[1:] != (len(self), 3):
            raise ForcingError(f"forcing of {len(self)} catchments has shape {series.shape}, expected (T, {len(self)}, 3)")
        if not np.isfinite(series).all():
            t, row, column = np.argwhere(~np.isfinite(series))[0]
            raise ForcingError(
                f"catchment {self._ids[row]}: {_FORCING[column]} is {series[t, row, column]} at step {t} of the series, "
                "expected a finite number"
            )


@dataclass(frozen=True)
class Catchment:
    """Handle of one catchment of an engine.

    Parameters
    ----------
    engine : Engine
        The engine it belongs to.
    row : int
        Its row there.
    """

    engine: Engine
    row: int

    @property
    def id(self) -> str:
        """Its name."""
        return self.engine.ids[self.row]

    def step(self, precipitation: float, temperature: float, pet: float) -> dict[str, float]:
        """Advance by one step.

        Parameters
        ----------
        precipitation, pet : float
            mm per step.
        temperature : float
            °C.

        Returns
        -------
        dict of str to float
            All of :data:`dmg_core.physics.hbv.OUTPUTS`: depths in mm per step, stores in mm.

        Raises
        ------
        ForcingError
            If a value is not finite.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        for name, value in zip(_FORCING, (precipitation, temperature, pet), strict=True):
            if not np.isfinite(value):
                raise ForcingError(f"catchment {self.id}: {name} is {value}, expected a finite number")
        return dict(zip(OUTPUTS, self.engine.advance(self.row, precipitation, temperature, pet).tolist(), strict=True))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep torch to one thread, so that sums do not depend on how many there are, nor many ranks on one machine get in each other's way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


#: Engines in use, by what makes them differ; one goes when its last catchment is let go.
_shared: WeakValueDictionary[tuple[Path, str, str, str], Engine] = WeakValueDictionary()


def shared_engine(folder: str | Path, dtype: str = "float32", device: str = "cpu", backend: str = "auto") -> Engine:
    """Return the one engine of this process for a model folder, precision, device and backend."""
    key = (Path(folder).resolve(), dtype, device, backend)
    engine = _shared.get(key)
    if engine is None:
        engine = _shared[key] = Engine.from_folder(key[0], dtype, device, backend)
    return engine


def _make_backend(model: DeltaModel, device: torch.device, backend: str, threads: int) -> Backend:
    if backend not in BACKENDS:
        raise ConfigError(f"backend {backend!r} is not one of {', '.join(BACKENDS)}")
    if backend == "compiled" and device.type != "cpu":
        raise ConfigError(f"backend 'compiled' works on cpu only, not on {device.type}; use 'torch' or 'auto'")
    if backend == "torch" or device.type != "cpu":
        return TorchBackend(model, device)
    return CompiledBackend(model, threads)


def _torch_device(device: str) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device {device!r} is none that torch knows, such as cpu, cuda or cuda:1") from error


def _needed_attributes(model: DeltaModel) -> tuple[str, ...]:
    """Names of the attributes a catchment must have: the network's, then what the equations need besides."""
    names = list(model.settings.attributes)
    if not model.static_from_series:
        names += [name for name in (model.settings.upstream_area, model.settings.elevation) if name not in names]
    return tuple(names)


def _check_finite(values: FloatArray, ids: Sequence[str], names: Sequence[str]) -> None:
    for row, column in np.argwhere(~np.isfinite(values)):
        raise AttributeTableError(f"catchment {ids[row]}: attribute {names[column]} is {values[row, column]}, expected a finite number")
