"""A network and a process model put together: differentiable from weather and attributes to streamflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dmg_core.attributes import attribute_table
from dmg_core.checkpoint import ModelSettings
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.model_form import needed_attributes
from dmg_core.models.layout import TOTAL
from dmg_core.networks import LstmNetwork, Network, NetworkState, ParameterNetwork
from dmg_core.networks.kernels import LstmArrays
from dmg_core.normalization import Normalizer
from dmg_core.physics import Fractions, Physics, PhysicsState

FloatArray = NDArray[np.float32] | NDArray[np.float64]


class DeltaModel(nn.Module):
    """A network gives the parameters of a process model, both differentiable.

    Parameters
    ----------
    settings : ModelSettings
        What the model is made of.
    network : ParameterNetwork
        Gives the parameters.
    physics : Physics
        Turns weather and parameters into fluxes.
    forcings, attributes : Normalizer
        Turn weather and catchment attributes into network inputs.
    """

    def __init__(
        self, settings: ModelSettings, network: ParameterNetwork, physics: Physics, forcings: Normalizer, attributes: Normalizer
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.physics = physics
        self.normalize_forcing = forcings
        self.normalize_attributes = attributes

    @property
    def stepped(self) -> Network:
        """The part of the network that is stepped through time."""
        return self.network.stepped

    @property
    def lstm(self) -> LstmNetwork:
        """The LSTM that is stepped through time.

        Raises
        ------
        ConfigError
            If the network is of another kind, which only torch can step.
        """
        form: LstmNetwork | None = self.stepped.lstm_form
        if form is None:
            raise ConfigError(f"the network {self.settings.network} is no LSTM: it has no compiled form, use the backend 'torch' or 'auto'")
        return form

    @property
    def needed_attributes(self) -> tuple[str, ...]:
        """Names of the attributes a catchment must have: the network's, then what the equations need besides."""
        return needed_attributes(self)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the network."""
        return next(self.stepped.parameters()).dtype

    @property
    def precision(self) -> np.dtype[Any]:
        """Precision of the network, as arrays have it."""
        return np.dtype(str(self.dtype).removeprefix("torch."))

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Widths of the parts of the network's state, by name."""
        return self.stepped.state_sizes

    @property
    def dynamic_columns(self) -> list[int]:
        """Which outputs of :attr:`stepped` are dynamic parameters."""
        return self.network.dynamic_columns(self.physics.columns)

    @property
    def lstm_arrays(self) -> LstmArrays | None:
        """Weights of the LSTM that is stepped; None where the network is of another kind."""
        form: LstmNetwork | None = self.stepped.lstm_form
        return None if form is None else form.arrays

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.stepped.parameters()).device

    @property
    def static_from_series(self) -> bool:
        """Whether there are static parameters that are the last output of a series (1.0, 1.1p), not a function of attributes (2.0)."""
        return self.network.static_from_series and bool(self.physics.columns.static)

    def network_inputs(self, forcing: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise in float64 and convert to the network's precision.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, F)
            Forcings of the process model.
        attributes : Tensor, shape (B, A)
            In the order of ``settings.attributes``.

        Returns
        -------
        Tensor, shape (T, B, F + A)
            Input of the part that is stepped.
        Tensor, shape (B, A)
            Input of the part for static parameters.
        """
        weather = self.normalize_forcing(forcing.double()).to(self.dtype)
        traits = self.normalize_attributes(attributes.double()).to(self.dtype)
        return torch.cat([weather, traits.expand(weather.shape[0], -1, -1)], dim=-1), traits

    def dynamic_fractions(self, x: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Dynamic parameters (T, B, n_dynamic, nmul) in [0, 1] for network inputs (T, B, ·), going on from ``state``."""
        values, state = self.network.dynamic(x, state, self.physics.columns)
        return values.unflatten(-1, (len(self.physics.dynamic_parameters), self.physics.nmul)), state

    def static_fractions(self, attributes: Tensor, x: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Give static (B, n_static, nmul) and routing parameters (B, n) in [0, 1].

        Parameters
        ----------
        attributes : Tensor, shape (B, A)
            Normalised attributes.
        x : Tensor, shape (T, B, F + A), optional
            Network inputs of a series, needed where :attr:`static_from_series`.

        Raises
        ------
        ValueError
            If it is needed and not given.
        """
        if self.static_from_series and x is None:
            raise ValueError(f"{self.settings.physics}: static parameters come from the network's last output, so they need a series")
        columns = self.physics.columns
        if not columns.static:
            return self.physics.static_fractions(attributes.new_empty((attributes.shape[0], 0)))
        return self.physics.static_fractions(self.network.static(attributes, x, columns))

    def longest_delays(self, attributes: Tensor) -> Tensor | None:
        """Give the longest mean delay of the routing, in steps, shape (B,), from attributes (B, A); None where nothing bounds it."""
        bound = self.settings.delay_bound
        if bound is None:
            return None
        return bound.steps(attributes[:, self.settings.attributes.index(bound.attribute)], self.physics.process.steps_per_day)

    def forward(
        self,
        forcing: Tensor | FloatArray,
        attributes: Tensor | FloatArray | Mapping[str, Any],
        *places: Tensor | FloatArray | None,
        state: PhysicsState | None = None,
        **site: Tensor | FloatArray,
    ) -> tuple[dict[str, Tensor], PhysicsState]:
        """Run a series from the network's initial state.

        Parameters
        ----------
        forcing : Tensor or ndarray, shape (T, B, F)
            Forcings of the process model in declared order, per step; its dtype is that of the physics.
        attributes : Tensor or ndarray, shape (B, A), or table or mapping of str to array_like (B,)
            In the order of ``settings.attributes``, or by name.
        *places, **site : Tensor or ndarray, shape (B,)
            What the equations read of the catchments, in declared order or by symbol; by default the attributes that the settings name.
        state : PhysicsState, optional
            Where the stores start.

        Returns
        -------
        dict of str to Tensor (T, B)
            All outputs of the process model, per step, and stores at its end.
        PhysicsState
            Where the stores end.

        Raises
        ------
        AttributeTableError
            If attributes are missing; all are named.
        """
        weather, traits, given = self._as_tensors(forcing, attributes, self._named(places, site))
        (dynamic, static, routing), constants = self.fractions_and_site(weather, traits, given)
        parameters = self.physics.constants(static, routing, self.longest_delays(traits))
        return self.physics.simulate(weather, dynamic, *parameters, constants, state)

    def go_on(
        self, forcing: Tensor, attributes: Tensor, network_state: NetworkState, state: PhysicsState, *places: Tensor | None, **site: Tensor
    ) -> tuple[dict[str, Tensor], PhysicsState, NetworkState]:
        """Run a series from where the network and the stores stand (models whose static parameters come from the attributes).

        Parameters
        ----------
        forcing, attributes, *places, **site
            See :meth:`forward`.
        network_state : tuple of Tensor (B, ·)
            State of the network.
        state : PhysicsState
            Where the stores start.

        Returns
        -------
        dict of str to Tensor (T, B), PhysicsState, tuple of Tensor (B, ·)
            Outputs, and where stores and network end.
        """
        given, network_state = self._from_attributes(forcing, attributes, network_state, self._named(places, site))
        return (*self.physics.simulate(forcing, *given, state), network_state)

    def series_on(
        self,
        output: str,
        forcing: Tensor,
        attributes: Tensor,
        network_state: NetworkState,
        state: PhysicsState,
        **site: Tensor,
    ) -> tuple[Tensor, PhysicsState, NetworkState]:
        """Do what :meth:`go_on` does for one output (T, B) alone, on CPU by compiled code; gradients flow from the last state too."""
        given, network_state = self._from_attributes(forcing, attributes, network_state, site)
        return (*self.physics.one_output(output, forcing, *given, state), network_state)

    def _from_attributes(
        self, forcing: Tensor, attributes: Tensor, network_state: NetworkState, site: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], NetworkState]:
        """Give what the physics takes besides forcing and state, where static parameters come from attributes."""
        x, traits = self.network_inputs(forcing, attributes)
        dynamic, network_state = self.dynamic_fractions(x, network_state)
        static, routing = (part.to(forcing.dtype) for part in self.static_fractions(traits))
        constants = self.physics.site(forcing.shape[1], forcing, self._site(attributes, site))
        parameters, weights = self.physics.constants(static, routing, self.longest_delays(attributes))
        return (dynamic.to(forcing.dtype), parameters, weights, constants), network_state

    def streamflow(
        self,
        forcing: Tensor | FloatArray,
        attributes: Tensor | FloatArray | Mapping[str, Any],
        *places: Tensor | FloatArray | None,
        warm_up: int = 0,
        **site: Tensor | FloatArray,
    ) -> Tensor:
        """Run a series for its routed flow alone; see :meth:`series`."""
        return self.series(TOTAL, forcing, attributes, *places, warm_up=warm_up, **site)

    def series(
        self,
        output: str,
        forcing: Tensor | FloatArray,
        attributes: Tensor | FloatArray | Mapping[str, Any],
        *places: Tensor | FloatArray | None,
        warm_up: int = 0,
        **site: Tensor | FloatArray,
    ) -> Tensor:
        """Run a series for one output: what learning needs, and on CPU much faster than all outputs.

        Parameters
        ----------
        output : str
            One of the process model's.
        forcing, attributes, *places, **site
            See :meth:`forward`.
        warm_up : int
            Steps at the beginning that only fill the stores: no gradient flows through the process equations there.

        Returns
        -------
        Tensor, shape (T - warm_up, B)
            Per step.

        Raises
        ------
        ConfigError
            If there is no such output.
        """
        weather, traits, given = self._as_tensors(forcing, attributes, self._named(places, site))
        (dynamic, static, routing), constants = self.fractions_and_site(weather, traits, given)
        parameters = self.physics.constants(static, routing, self.longest_delays(traits))
        return self.physics.series(output, weather, dynamic, *parameters, constants, warm_up=warm_up)

    @torch.no_grad()
    def mean_parameters(self, forcing: Tensor, attributes: Tensor, *places: Tensor | None, **site: Tensor) -> dict[str, Tensor]:
        """Physical values of all parameters, as means over the components and, of dynamic ones, over the series.

        Parameters
        ----------
        forcing, attributes, *places, **site
            See :meth:`forward`.

        Returns
        -------
        dict of str to Tensor (B,)
            By the names and in the units of the process model; those of the routing come last.
        """
        (dynamic, static, routing), _ = self.fractions_and_site(forcing, attributes, self._named(places, site))
        physics = self.physics
        means = dict(zip((one.name for one in physics.dynamic_parameters), dynamic.mean(dim=(0, 3)).unbind(1), strict=True))
        means |= dict(zip((one.name for one in physics.static_parameters), static.mean(dim=2).unbind(1), strict=True))
        values = {parameter.name: parameter.scale(means[parameter.name]) for parameter in physics.table}
        return values | {one.name: one.scale(column) for one, column in zip(physics.routing.parameters, routing.unbind(1), strict=True)}

    def _named(self, places: tuple[Any, ...], site: Mapping[str, Any]) -> dict[str, Any]:
        """Name what is given in declared order; None stands for what is not given."""
        ordered = zip((attribute.name for attribute in self.physics.process.attributes), places, strict=False)
        return {name: values for name, values in (*ordered, *site.items()) if values is not None}

    def _as_tensors(self, forcing: Any, attributes: Any, site: Mapping[str, Any]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Take arrays for tensors, and columns of a table for attributes and what the equations read; see :meth:`forward`."""
        places = dict(site)
        if not isinstance(attributes, Tensor | np.ndarray):
            for attribute in self.physics.process.attributes:
                name = self.settings.attribute_of(attribute.name)
                if attribute.name not in places and name in attributes:
                    places[attribute.name] = attributes[name]
            attributes = attribute_table(attributes, self.settings.attributes)
        weather = _as_tensor(forcing)
        return weather, _as_tensor(attributes), {name: _as_tensor(values).to(weather.dtype) for name, values in places.items()}

    def fractions_and_site(self, forcing: Tensor, attributes: Tensor, site: Mapping[str, Tensor]) -> tuple[Fractions, Tensor]:
        """Give the parameters of a series, from the network's initial state, and what the equations read of the catchments."""
        x, traits = self.network_inputs(forcing, attributes)
        dynamic, static = self.network.series(x, traits, self.physics.columns)
        fractions = self.physics.fractions(dynamic.to(forcing.dtype), static.to(forcing.dtype))
        return fractions, self.physics.site(forcing.shape[1], forcing, self._site(attributes, site))

    def _site(self, attributes: Tensor, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Find what the equations read of the catchments, as far as it is known, by symbol."""
        found = dict(given)
        for attribute in self.physics.process.attributes:
            name = self.settings.attribute_of(attribute.name)
            if attribute.name in found:
                continue
            if name in self.settings.attributes:
                found[attribute.name] = attributes[:, self.settings.attributes.index(name)]
            elif attribute.required:
                raise AttributeTableError(f"{self.settings.physics} needs {name!r}, which is no input of the network: pass it separately")
        return found


def _as_tensor(values: Any) -> Tensor:
    """Give a tensor of floating-point numbers; tensors are taken as they are."""
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    return torch.from_numpy(np.array(array, dtype=array.dtype if array.dtype.kind == "f" else np.float64))
