"""A network and a process model put together: differentiable from weather and attributes to streamflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dmg_core.attributes import attribute_table
from dmg_core.checkpoint import Checkpoint, ModelSettings, read_checkpoint, stamp_of
from dmg_core.errors import AttributeTableError, CheckpointError
from dmg_core.networks import AnnModel, LstmMlpModel, LstmModel, LstmNetwork, LstmState
from dmg_core.normalization import Normalizer
from dmg_core.physics.equations import Site
from dmg_core.physics.hbv import Fractions, HbvState
from dmg_core.physics.members import PHYSICS, Hbv20, SequenceHbv

FloatArray = NDArray[np.float32] | NDArray[np.float64]


class DeltaModel(nn.Module):
    """A δHBV model: a network gives the parameters of HBV, both differentiable.

    Parameters
    ----------
    settings : ModelSettings
        What the model is made of.
    network : LstmModel or LstmMlpModel
        Gives the parameters.
    physics : SequenceHbv or Hbv20
        Turns weather and parameters into fluxes.
    forcings, attributes : Normalizer
        Turn weather and catchment attributes into network inputs.
    """

    def __init__(
        self,
        settings: ModelSettings,
        network: LstmModel | LstmMlpModel,
        physics: SequenceHbv | Hbv20,
        forcings: Normalizer,
        attributes: Normalizer,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.physics = physics
        self.normalize_forcing = forcings
        self.normalize_attributes = attributes

    @property
    def lstm(self) -> LstmNetwork:
        """The part of the network that is stepped through time."""
        return self.network.lstminv if isinstance(self.network, LstmMlpModel) else self.network

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the network."""
        return self.lstm.linear_out.weight.dtype

    @property
    def static_from_series(self) -> bool:
        """Whether static parameters are the last output of a series (1.0, 1.1p) instead of a function of attributes (2.0)."""
        return isinstance(self.physics, SequenceHbv)

    def network_inputs(self, forcing: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise in float64 and convert to the network's precision.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, 3)
            Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step).
        attributes : Tensor, shape (B, A)
            In the order of ``settings.attributes``.

        Returns
        -------
        Tensor, shape (T, B, 3 + A)
            Input of the LSTM.
        Tensor, shape (B, A)
            Input of the MLP.
        """
        weather = self.normalize_forcing(forcing.double()).to(self.dtype)
        traits = self.normalize_attributes(attributes.double()).to(self.dtype)
        return torch.cat([weather, traits.expand(weather.shape[0], -1, -1)], dim=-1), traits

    def dynamic_fractions(self, x: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Dynamic parameters (T, B, n_dynamic, nmul) in [0, 1] for LSTM inputs (T, B, ·), going on from ``state``."""
        raw, state = self.lstm.advance(x, state)
        return self.physics.dynamic_fractions(raw), state

    def static_fractions(self, attributes: Tensor, x: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Give static (B, n_static, nmul) and routing parameters (B, 2) in [0, 1].

        Parameters
        ----------
        attributes : Tensor, shape (B, A)
            Normalised attributes.
        x : Tensor, shape (T, B, 3 + A), optional
            LSTM inputs of a series, needed where :attr:`static_from_series`.
        """
        physics, network = self.physics, self.network
        if isinstance(physics, Hbv20) and isinstance(network, LstmMlpModel):
            return physics.static_fractions(network.ann(attributes))
        if isinstance(physics, SequenceHbv) and x is not None:
            fractions = self._series_fractions(x, self.dtype)
            return fractions.static, fractions.routing
        raise ValueError(f"{self.settings.physics}: static parameters come from the network's last output, so they need a series")

    def forward(
        self,
        forcing: Tensor | FloatArray,
        attributes: Tensor | FloatArray | Mapping[str, Any],
        upstream_area: Tensor | FloatArray | None = None,
        elevation: Tensor | FloatArray | None = None,
        state: HbvState | None = None,
    ) -> tuple[dict[str, Tensor], HbvState]:
        """Run a series from the network's zero state.

        Parameters
        ----------
        forcing : Tensor or ndarray, shape (T, B, 3)
            Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step); its dtype is that of the physics.
        attributes : Tensor or ndarray, shape (B, A), or table or mapping of str to array_like (B,)
            In the order of ``settings.attributes``, or by name.
        upstream_area, elevation : Tensor or ndarray, shape (B,), optional
            km² and m; by default the attributes of that name.
        state : HbvState, optional
            Where the stores start.

        Returns
        -------
        dict of str to Tensor (T, B)
            All of :data:`dmg_core.physics.hbv.OUTPUTS`, mm per step and mm.
        HbvState
            Where the stores end.

        Raises
        ------
        AttributeTableError
            If attributes are missing; all are named.
        """
        given = self._as_tensors(forcing, attributes, upstream_area, elevation)
        (dynamic, static, routing), site = self._fractions_and_site(*given)
        return self.physics.simulate(given[0], dynamic, *self.physics.constants(static, routing), site, state)

    def go_on(
        self,
        forcing: Tensor,
        attributes: Tensor,
        network_state: LstmState,
        state: HbvState,
        upstream_area: Tensor | None = None,
        elevation: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], HbvState, LstmState]:
        """Run a series from where the network and the stores stand (models whose static parameters come from the attributes).

        Parameters
        ----------
        forcing, attributes, upstream_area, elevation
            See :meth:`forward`.
        network_state : tuple of Tensor (B, H)
            Hidden and cell state of the LSTM.
        state : HbvState
            Where the stores start.

        Returns
        -------
        dict of str to Tensor (T, B), HbvState, tuple of Tensor (B, H)
            Outputs, and where stores and network end.
        """
        x, traits = self.network_inputs(forcing, attributes)
        dynamic, network_state = self.dynamic_fractions(x, network_state)
        static, routing = self.static_fractions(traits)
        area = self._attribute(self.settings.upstream_area, attributes, upstream_area, required=True)
        height = self._attribute(self.settings.elevation, attributes, elevation)
        site = self.physics.site(forcing.shape[1], forcing, area, height)
        constants = self.physics.constants(static.to(forcing.dtype), None if routing is None else routing.to(forcing.dtype))
        return (*self.physics.simulate(forcing, dynamic.to(forcing.dtype), *constants, site, state), network_state)

    def streamflow(
        self,
        forcing: Tensor | FloatArray,
        attributes: Tensor | FloatArray | Mapping[str, Any],
        upstream_area: Tensor | FloatArray | None = None,
        elevation: Tensor | FloatArray | None = None,
        *,
        warm_up: int = 0,
    ) -> Tensor:
        """Run a series for its routed flow alone: what learning needs, and on CPU much faster than all outputs.

        Parameters
        ----------
        forcing, attributes, upstream_area, elevation
            See :meth:`forward`. On CPU no gradient flows to the forcing.
        warm_up : int
            Steps at the beginning that only fill the stores: no gradient flows through the process equations there.

        Returns
        -------
        Tensor, shape (T - warm_up, B)
            mm per step.
        """
        given = self._as_tensors(forcing, attributes, upstream_area, elevation)
        (dynamic, static, routing), site = self._fractions_and_site(*given)
        return self.physics.streamflow(given[0], dynamic, *self.physics.constants(static, routing), site, warm_up=warm_up)

    @torch.no_grad()
    def mean_parameters(
        self, forcing: Tensor, attributes: Tensor, upstream_area: Tensor | None = None, elevation: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Physical values of all parameters, as means over the components and, of dynamic ones, over the series.

        Parameters
        ----------
        forcing, attributes, upstream_area, elevation
            See :meth:`forward`.

        Returns
        -------
        dict of str to Tensor (B,)
            By the names and in the units of :mod:`dmg_core.parameters`; with routing, ``route_a`` and ``route_b`` come last.
        """
        (dynamic, static, routing), _ = self._fractions_and_site(forcing, attributes, upstream_area, elevation)
        physics = self.physics
        means = dict(zip((one.name for one in physics.dynamic_parameters), dynamic.mean(dim=(0, 3)).unbind(1), strict=True))
        means |= dict(zip((one.name for one in physics.static_parameters), static.mean(dim=2).unbind(1), strict=True))
        values = {parameter.name: parameter.scale(means[parameter.name]) for parameter in physics.table}
        if routing is not None:
            routes = (physics.variant.route_a, physics.variant.route_b)
            values |= {route.name: route.scale(column) for route, column in zip(routes, routing.unbind(1), strict=True)}
        return values

    def _as_tensors(
        self, forcing: Any, attributes: Any, upstream_area: Any, elevation: Any
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Take arrays for tensors, and columns of a table for attributes, upstream area and elevation; see :meth:`forward`."""
        if not isinstance(attributes, Tensor | np.ndarray):
            places = {self.settings.upstream_area: upstream_area, self.settings.elevation: elevation}
            upstream_area, elevation = (attributes[name] if one is None and name in attributes else one for name, one in places.items())
            attributes = attribute_table(attributes, self.settings.attributes)
        weather = _as_tensor(forcing)
        return (
            weather,
            _as_tensor(attributes),
            None if upstream_area is None else _as_tensor(upstream_area).to(weather.dtype),
            None if elevation is None else _as_tensor(elevation).to(weather.dtype),
        )

    def _fractions_and_site(
        self, forcing: Tensor, attributes: Tensor, upstream_area: Tensor | None, elevation: Tensor | None
    ) -> tuple[Fractions, Site]:
        """Give the parameters of a series, from the network's zero state, and what the physics needs to know of the catchments."""
        x, traits = self.network_inputs(forcing, attributes)
        physics, network = self.physics, self.network
        if isinstance(physics, Hbv20) and isinstance(network, LstmMlpModel):
            dynamic, static = network(x, traits)
            area = self._attribute(self.settings.upstream_area, attributes, upstream_area, required=True)
            height = self._attribute(self.settings.elevation, attributes, elevation)
            fractions = physics.fractions(dynamic.to(forcing.dtype), static.to(forcing.dtype))
            return fractions, physics.site(forcing.shape[1], forcing, area, height)
        return self._series_fractions(x, forcing.dtype), physics.site(forcing.shape[1], forcing)

    def _series_fractions(self, x: Tensor, dtype: torch.dtype) -> Fractions:
        """Parameters that all come from the LSTM: most of its outputs are needed for the last step only, and computed for that alone."""
        if not isinstance(self.physics, SequenceHbv):
            raise ValueError(f"{self.settings.physics}: static parameters come from the attributes, not from a series")
        hidden, _ = self.lstm.hidden_series(x, self.lstm.initial_state(x.shape[1]))
        out, columns = self.lstm.linear_out, self.physics.dynamic_columns
        dynamic = functional.linear(hidden, out.weight[columns], out.bias[columns])
        return self.physics.fractions_of(dynamic.to(dtype), out(hidden[-1]).to(dtype))

    def _attribute(self, name: str, attributes: Tensor, given: Tensor | None, *, required: bool = False) -> Tensor | None:
        if given is not None:
            return given
        if name in self.settings.attributes:
            return attributes[:, self.settings.attributes.index(name)]
        if required:
            raise AttributeTableError(f"{self.settings.physics} needs {name!r}, which is no input of the network: pass it separately")
        return None


def build_model(checkpoint: Checkpoint, dtype: str | torch.dtype = "float32") -> DeltaModel:
    """Put a model together from what a folder holds.

    Parameters
    ----------
    checkpoint : Checkpoint
        Settings, statistics and weights, checked.
    dtype : str or torch.dtype
        Precision of the network: float32 or float64.
    """
    settings = checkpoint.settings
    physics = PHYSICS[settings.physics](nmul=settings.nmul, dynamic=settings.dynamic, routing=settings.routing, nearzero=settings.nearzero)
    forcings = Normalizer.from_statistics(checkpoint.statistics, settings.forcings, settings.log_norm)
    attributes = Normalizer.from_statistics(checkpoint.statistics, settings.attributes, settings.log_norm)
    with torch.device("meta"):  # the weights are assigned, not copied: sizes are all that is needed here
        network = _build_network(settings, physics)
    network.load_state_dict(checkpoint.weights, assign=True)
    return DeltaModel(settings, network.to(torch_dtype(dtype)), physics, forcings, attributes).eval()


def load_model(folder: str | Path, dtype: str | torch.dtype = "float32") -> DeltaModel:
    """Read a model folder trained with δMG, or written by this project.

    Parameters
    ----------
    folder : str or Path
        Holds ``config.yaml``, ``normalization_statistics.json`` and the weights.
    dtype : str or torch.dtype
        Precision of the network: float32 or float64.

    Raises
    ------
    CheckpointError
        If a file is missing or the files do not fit together.
    """
    return build_model(read_checkpoint(folder), dtype)


def model_reader(folder: str | Path, dtype: str | torch.dtype = "float32") -> Callable[[], DeltaModel]:
    """Give a function that reads a model folder as long as it holds what it holds now.

    The function raises a :class:`~dmg_core.errors.CheckpointError` if the folder has changed.
    """
    now = stamp_of(folder)

    def read() -> DeltaModel:
        if stamp_of(folder) != now:
            raise CheckpointError(f"{folder}: the model folder has changed since it was read; start anew to use what it holds now")
        return load_model(folder, dtype)

    return read


def _build_network(settings: ModelSettings, physics: SequenceHbv | Hbv20) -> LstmModel | LstmMlpModel:
    inputs = len(settings.forcings) + len(settings.attributes)
    routing = 2 * settings.routing
    if settings.mlp_hidden_size is None:
        return LstmModel(inputs, len(physics.table) * settings.nmul + routing, settings.hidden_size)
    return LstmMlpModel(
        LstmModel(inputs, len(physics.dynamic_parameters) * settings.nmul, settings.hidden_size),
        AnnModel(len(settings.attributes), len(physics.static_parameters) * settings.nmul + routing, settings.mlp_hidden_size),
    )


def _as_tensor(values: Any) -> Tensor:
    """Give a tensor of floating-point numbers; tensors are taken as they are."""
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    return torch.from_numpy(np.array(array, dtype=array.dtype if array.dtype.kind == "f" else np.float64))


def torch_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Precision of a network by its name, float32 or float64."""
    known = {"float32": torch.float32, "float64": torch.float64}
    if isinstance(dtype, torch.dtype) and dtype in known.values():
        return dtype
    if dtype not in known:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(known)}")
    return known[str(dtype)]
