"""``config.yaml`` of a δMG model folder, in its present and its older dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dmg_core.checkpoint.spellings import (
    FORCING_SPELLINGS,
    MULTI_TIMESCALE,
    NETWORKS,
    forcing_index,
    is_multi_timescale,
    network_key,
    physics_key,
)
from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.models import PROCESS_MODELS
from dmg_core.routing import DelayBound
from dmg_core.validation import Node, flag, name_or_names, one_of, positive_number, text, whole_number

CONFIG_NAME: Final = "config.yaml"
DEFAULT_NEARZERO: Final = 1e-5
DEFAULT_UPSTREAM_AREA: Final = "uparea"
DEFAULT_ELEVATION: Final = "meanelevation"
#: Keys that may be left out, so that a misspelt one would pass without a word; δMG has many others besides.
_PHY_KEYS: Final = ("name", "model", "nmul", "routing", "nearzero", "dynamic_params", "forcings", "attributes", "use_log_norm")
_OBSERVATION_KEYS: Final = ("upstream_area_name", "elevation_name", "pet_method")
PET_METHODS: Final = ("hargreaves", "penman_monteith")
_FORCINGS_EXPECTED: Final = f"precipitation, temperature, PET ({'; '.join(' or '.join(names) for names in FORCING_SPELLINGS)})"


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What makes a model, apart from its weights and statistics.

    Parameters
    ----------
    physics : str
        Name of the process model in :data:`dmg_core.models.PROCESS_MODELS`.
    network : str
        Name in :data:`dmg_core.networks.NETWORKS`; in the hourly half of a multi-timescale model ``LstmMlp2Model``.
    nmul : int
        Number of components run side by side.
    routing : bool
        Whether the network gives the parameters of a unit hydrograph.
    nearzero : float
        Least content of the stores that divide, mm, in process models that have such.
    dynamic : tuple of str
        Parameters that vary in time, in the order of the parameter table.
    forcings : tuple of str
        Names of the forcings in the statistics, in the order of the process model.
    attributes : tuple of str
        Catchment attributes, in the order of the network's inputs.
    log_norm : tuple of str
        Forcings and attributes that are log-normalised, named as in the statistics.
    hidden_size : int
        Width of the part of the network that is stepped.
    mlp_hidden_size : int or None
        Width of the MLP that gives static parameters; None for an ``LstmModel``.
    upstream_area, elevation : str
        Attributes that hold the upstream area (km²) and the mean elevation (m).
    pet_method : str or None
        One of :data:`PET_METHODS`: how the potential evapotranspiration of the training was computed, if known.
    epoch : int or None
        Epoch of training the weights come from, if known.
    options : mapping of str to object
        Options of the process model besides ``nearzero``.
    network_options : mapping of str to object
        Options of the network.
    site : mapping of str to str
        Names of further attributes that the equations read, by their symbols; one that is not there goes by its symbol.
    plugins : tuple of str
        Modules that register parts of the model that are users' own.
    tape : str or None
        Digest of the equations of a user's own process model when it was trained.
    target : str
        Output of the process model that was compared with what was observed.
    delay_bound : DelayBound or None
        What the mean delay of the routing may be at most.
    """

    physics: str
    network: str
    nmul: int
    routing: bool
    nearzero: float
    dynamic: tuple[str, ...]
    forcings: tuple[str, ...]
    attributes: tuple[str, ...]
    log_norm: tuple[str, ...]
    hidden_size: int
    mlp_hidden_size: int | None
    upstream_area: str = DEFAULT_UPSTREAM_AREA
    elevation: str = DEFAULT_ELEVATION
    pet_method: str | None = None
    epoch: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    network_options: Mapping[str, Any] = field(default_factory=dict)
    site: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    tape: str | None = None
    target: str = "streamflow"
    delay_bound: DelayBound | None = None

    def attribute_of(self, symbol: str) -> str:
        """Name of the attribute that the equations read under a symbol."""
        return {"upstream_area": self.upstream_area, "elevation": self.elevation, **self.site}.get(symbol, symbol)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What ``config.yaml`` says, before statistics and weights have been looked at.

    ``forcings`` and ``log_norm`` are spelled and ordered as in the file. ``sizes`` holds what the file says of things that the weights
    decide, by the name of the setting; the others are as in :class:`ModelSettings`.
    """

    physics: str
    network: str
    nearzero: float
    dynamic: tuple[str, ...]
    forcings: tuple[str, ...]
    attributes: tuple[str, ...]
    log_norm: tuple[str, ...]
    sizes: dict[str, Node]
    upstream_area: str
    elevation: str
    pet_method: str | None
    test_epoch: int | None

    @property
    def forcing_columns(self) -> tuple[int, int, int]:
        """Columns of precipitation, temperature and PET among the network's inputs."""
        column = {forcing_index(name): column for column, name in enumerate(self.forcings)}
        return column[0], column[1], column[2]


def root_of(file: Path) -> Node:
    """Read a ``config.yaml`` without judging it.

    Raises
    ------
    CheckpointError
        If it cannot be read, is no YAML or has no keys and values.
    """
    return Node.read(file, "a model's configuration", CheckpointError)


def read_config(file: Path) -> ModelConfig:
    """Read ``config.yaml``.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    ModelConfig
        With all spellings of the model, the network and the parameters resolved.

    Raises
    ------
    CheckpointError
        If the file is not YAML, lacks a key, or holds a value that is unknown or not supported; file and key path are named.
    """
    root = root_of(file)
    model = root.require("model", "dpl_model")
    phy = model.require("phy", "phy_model")
    physics = physics_of(phy, NETWORKS)
    return config_of(root, physics, phy, model.require("nn", "nn_model"), NETWORKS)


def config_of(root: Node, physics: str, phy: Node, nn: Node, networks: Mapping[str, str]) -> ModelConfig:
    """Read what a file says of one model.

    Parameters
    ----------
    root : Node
        The whole file.
    physics : str
        The model; see :func:`physics_of`.
    phy, nn : Node
        Its parts for the physical model and the network.
    networks : mapping of str to str
        The models that may stand there, with the network of each.

    Raises
    ------
    CheckpointError
        See :func:`read_config`.
    """
    network = _network(nn.require("name", "model"), physics, networks)
    phy.refuse_slips(_PHY_KEYS)
    test = root.find("test")
    attributes = nn.require("attributes").to(name_or_names)
    return ModelConfig(
        physics=physics,
        network=network,
        nearzero=phy.get("nearzero", positive_number, DEFAULT_NEARZERO),
        dynamic=_dynamic(phy.require("dynamic_params"), physics, network),
        forcings=_forcings(phy, nn),
        attributes=attributes,
        log_norm=_log_norm(root.require("model", "dpl_model"), phy, attributes),
        sizes=_sizes(phy, nn, network),
        upstream_area=_observation(root, "upstream_area_name", DEFAULT_UPSTREAM_AREA),
        elevation=_observation(root, "elevation_name", DEFAULT_ELEVATION),
        pet_method=_pet_method(root),
        test_epoch=test.get("test_epoch", whole_number) if test else None,
    )


def is_multi_timescale_folder(folder: str | Path) -> bool:
    """Whether a folder holds a multi-timescale model, by its config; a folder without one holds none.

    Raises
    ------
    CheckpointError
        If there is a config that names no model.
    """
    config = Path(folder) / CONFIG_NAME
    return config.is_file() and names_multi_timescale(config)


def names_multi_timescale(file: Path) -> bool:
    """Whether ``config.yaml`` is that of a multi-timescale model.

    Raises
    ------
    CheckpointError
        If the file is not YAML, or does not name a model.
    """
    phy = root_of(file).require("model", "dpl_model").require("phy", "phy_model")
    names = phy.require("name", "model").to(name_or_names)
    return len(names) == 1 and is_multi_timescale(names[0])


def physics_of(phy: Node, networks: Mapping[str, str]) -> str:
    """Give the model that a part of a file is about, which must be one of ``networks``."""
    node = phy.require("name", "model")
    names = node.to(name_or_names)
    if len(names) != 1:
        raise node.error(f"expected one model, found {len(names)} ({', '.join(names)}); combinations of models are not supported")
    known = physics_key(names[0])
    if is_multi_timescale(names[0]):
        raise node.error(f"{MULTI_TIMESCALE} is two coupled models, an engine of its own; expected one model: {', '.join(networks)}")
    if known is None:
        raise node.error(f"the model {names[0]!r} is not known; known are {', '.join(networks)}")
    if known not in networks:
        raise node.error(f"the model {names[0]!r} cannot stand here; expected {' or '.join(networks)}")
    return known


def _network(node: Node, physics: str, networks: Mapping[str, str]) -> str:
    known = network_key(node.to(text))
    if known is None:
        raise node.error(f"the network {node.value!r} is not known; known are {', '.join(dict.fromkeys(networks.values()))}")
    if known != networks[physics]:
        raise node.error(f"the model {physics} needs the network {networks[physics]}, found {node.value!r}")
    return known


def _dynamic(node: Node, physics: str, network: str) -> tuple[str, ...]:
    """Dynamic parameters in table order, whatever the order in the file."""
    children = node.children()
    keys = [key for key in children if physics_key(key) == physics]
    if len(keys) != 1:
        raise node.error(f"expected one entry for the model {physics}, found {', '.join(keys or children) or 'nothing'}")
    entry = children[keys[0]]
    try:
        return _in_table_order(entry.to(name_or_names), physics, network)
    except ConfigError as error:
        raise entry.error(str(error)) from error


def _in_table_order(dynamic: tuple[str, ...], physics: str, network: str) -> tuple[str, ...]:
    if network != "LstmModel" and not dynamic:
        raise ConfigError(f"{physics}: an {network} needs at least one dynamic parameter, found none")
    return tuple(parameter.name for parameter in PROCESS_MODELS[physics].split(dynamic)[0])


def _forcings(phy: Node, nn: Node) -> tuple[str, ...]:
    """Read the forcings, as the file spells and orders the network's inputs; the physical model's are only checked."""
    nodes = [node for node in (nn.find("forcings"), phy.find("forcings")) if node] or [nn.require("forcings")]
    for node in nodes:
        if sorted(-1 if (index := forcing_index(name)) is None else index for name in node.to(name_or_names)) != [0, 1, 2]:
            raise node.wrong(_FORCINGS_EXPECTED)
    return nodes[0].to(name_or_names)


def _log_norm(model: Node, phy: Node, attributes: tuple[str, ...]) -> tuple[str, ...]:
    """Log-normalised variables, which stand beside the physical model or inside it, depending on the release."""
    nodes = [node for node in (model.find("use_log_norm"), phy.find("use_log_norm")) if node]
    said = {tuple(sorted(node.to(name_or_names))) for node in nodes}
    if len(said) > 1:
        raise nodes[0].error(f"{nodes[0].value!r} contradicts {nodes[1].path}: {nodes[1].value!r}")
    names = nodes[0].to(name_or_names) if nodes else ()
    unknown = [name for name in names if forcing_index(name) is None and name not in attributes]
    if unknown:
        raise nodes[0].error(f"expected forcings or attributes of the network, found {', '.join(unknown)}")
    return names


def _sizes(phy: Node, nn: Node, network: str) -> dict[str, Node]:
    """Find what the file says of the sizes that the weights decide."""
    nmul, routing = phy.find("nmul"), phy.find("routing")
    hidden_size = nn.find("hidden_size" if network == "LstmModel" else "lstm_hidden_size")
    mlp_hidden_size = None if network == "LstmModel" else nn.find("mlp_hidden_size")
    for number in (nmul, hidden_size, mlp_hidden_size):
        if number:
            number.to(whole_number)
    if routing:
        routing.to(flag)
    nodes = {"nmul": nmul, "routing": routing, "hidden_size": hidden_size, "mlp_hidden_size": mlp_hidden_size}
    return {name: node for name, node in nodes.items() if node}


def _observation(root: Node, key: str, default: str) -> str:
    """Name of an attribute; some releases only name the data set under ``observations`` and keep its description elsewhere."""
    observations = root.find("observations")
    if observations is None or isinstance(observations.value, str):
        return default
    return observations.refuse_slips(_OBSERVATION_KEYS).get(key, text, default)


def _pet_method(root: Node) -> str | None:
    """Read a key of this project's, which δMG passes over."""
    observations = root.find("observations")
    is_name = observations is None or isinstance(observations.value, str)
    return None if observations is None or is_name else observations.get("pet_method", one_of(*PET_METHODS))


def check_settings(settings: ModelSettings, networks: Mapping[str, str] = NETWORKS) -> None:
    """Check that settings made by hand would be read back as they are.

    ``networks`` says which models there may be, and the network of each.

    Raises
    ------
    CheckpointError
        If the model or network is unknown, the dynamic parameters are not in table order, the forcings are not precipitation,
        temperature and PET, or log-normalised variables are not among the inputs.
    """
    if settings.physics not in networks or networks[settings.physics] != settings.network:
        pairs = ", ".join(f"{physics} with {network}" for physics, network in networks.items())
        raise CheckpointError(f"settings: expected {pairs}; found {settings.physics} with {settings.network}")
    try:
        dynamic = _in_table_order(settings.dynamic, settings.physics, settings.network)
    except ConfigError as error:
        raise CheckpointError(f"settings: {error}") from error
    if dynamic != settings.dynamic:
        raise CheckpointError(f"settings: expected the dynamic parameters in the order {dynamic}, found {settings.dynamic}")
    if [forcing_index(name) for name in settings.forcings] != [0, 1, 2]:
        raise CheckpointError(f"settings: expected the forcings {_FORCINGS_EXPECTED}, found {', '.join(settings.forcings)}")
    unknown = [name for name in settings.log_norm if name not in (*settings.forcings, *settings.attributes)]
    if unknown:
        raise CheckpointError(f"settings: expected log_norm among the forcings and attributes, found {', '.join(unknown)}")


def config_document(settings: ModelSettings, epoch: int) -> dict[str, object]:
    """Return ``config.yaml`` for settings, in δMG's present dialect."""
    phy, nn = model_parts(settings)
    return {
        "test": {"test_epoch": epoch},
        "model": {"phy": phy, "nn": nn, "use_log_norm": list(settings.log_norm)},
        "observations": observations(settings),
    }


def observations(settings: ModelSettings) -> dict[str, object]:
    """Return what ``config.yaml`` says of the names of attributes."""
    pet = {} if settings.pet_method is None else {"pet_method": settings.pet_method}
    return {"upstream_area_name": settings.upstream_area, "elevation_name": settings.elevation, **pet}


def model_parts(settings: ModelSettings) -> tuple[dict[str, object], dict[str, object]]:
    """Return what ``config.yaml`` says of the physical model and of the network."""
    hidden: dict[str, object] = {"hidden_size": settings.hidden_size}
    if settings.network != "LstmModel":
        hidden = {"lstm_hidden_size": settings.hidden_size, "mlp_hidden_size": settings.mlp_hidden_size}
    phy: dict[str, object] = {
        "name": [settings.physics],
        "nmul": settings.nmul,
        "routing": settings.routing,
        "nearzero": settings.nearzero,
        "dynamic_params": {settings.physics: list(settings.dynamic)},
        "forcings": list(settings.forcings),
        "attributes": [],
    }
    nn: dict[str, object] = {"name": settings.network, **hidden, "forcings": list(settings.forcings)}
    return phy, {**nn, "attributes": list(settings.attributes)}
