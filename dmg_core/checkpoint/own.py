"""Folders of trained models of users' own: ``config.yaml`` and statistics as in δMG's folders, weights as safetensors, and plugins.

``config.yaml`` names the process model and the network by their registries, the modules that register them (``plugins``), and the digest
of the equations that the weights were trained with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError

from dmg_core.checkpoint.config import (
    CONFIG_NAME,
    DEFAULT_ELEVATION,
    DEFAULT_NEARZERO,
    DEFAULT_UPSTREAM_AREA,
    PET_METHODS,
    ModelSettings,
    config_document,
    root_of,
)
from dmg_core.checkpoint.spellings import NETWORKS, is_multi_timescale, physics_key
from dmg_core.checkpoint.statistics import STATISTICS_NAME, checked_rows, read_statistics
from dmg_core.checkpoint.weights import check_finite
from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.files import written_whole
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.layout import TOTAL
from dmg_core.plugins import imported
from dmg_core.routing import DelayBound
from dmg_core.validation import Node, flag, mapping, name_or_names, one_of, positive_number, text, whole_number

SUFFIX: Final = ".safetensors"


def is_published_form(settings: ModelSettings) -> bool:
    """Whether a model is to be written as δMG's folders are: it has nothing that has no place there."""
    own = settings.plugins or settings.options or settings.network_options or settings.tape is not None or settings.delay_bound is not None
    return not own and (settings.physics in NETWORKS or settings.physics not in PROCESS_MODELS)


def is_own_folder(folder: Path) -> bool:
    """Whether a folder holds a model of a user's own: it has plugins, weights as safetensors, or a process model that δMG does not know."""
    if not (folder / CONFIG_NAME).is_file():
        return False
    root = root_of(folder / CONFIG_NAME)
    if root.find("plugins") or (any(folder.glob(f"*{SUFFIX}")) and not any(folder.glob("*.pt"))):
        return True
    model = root.find("model", "dpl_model")
    phy = model.find("phy", "phy_model") if model else None
    name = phy.find("name", "model") if phy else None
    names = name.to(name_or_names) if name else ()
    return len(names) == 1 and physics_key(names[0]) is None and not is_multi_timescale(names[0]) and names[0] in PROCESS_MODELS


def read_own(folder: Path) -> tuple[ModelSettings, dict[str, tuple[float, ...]], dict[str, torch.Tensor]]:
    """Read settings, statistics and weights.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, a plugin cannot be imported, or a part is not registered; file and key are named.
    """
    root = root_of(folder / CONFIG_NAME)
    plugins = _names(root.find("plugins"))
    for name in plugins:
        try:
            imported(name, (folder.resolve(), folder.resolve().parent))
        except ConfigError as error:
            raise CheckpointError(f"{folder / CONFIG_NAME}: {error}; it registers parts of this model") from error
    settings = _settings(root, plugins)
    statistics_file = folder / STATISTICS_NAME
    rows = checked_rows(read_statistics(statistics_file), (*settings.forcings, *settings.attributes), statistics_file)
    return settings, rows, _read_weights(folder, settings)


def write_own(
    folder: Path,
    settings: ModelSettings,
    statistics: Mapping[str, Sequence[float]],
    weights: Mapping[str, torch.Tensor],
    *,
    epoch: int,
) -> None:
    """Write a folder that :func:`read_own` reads back; each file whole or not at all, ``config.yaml`` last.

    Raises
    ------
    CheckpointError
        If statistics are missing; nothing is written then.
    """
    rows = checked_rows(statistics, (*settings.forcings, *settings.attributes), folder / STATISTICS_NAME)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with written_whole(folder / _weight_file_name(settings, epoch)) as stream:
        stream.write(safetensors.torch.save(tensors))
    with written_whole(folder / STATISTICS_NAME) as stream:
        stream.write(json.dumps(rows, indent=1).encode())
    with written_whole(folder / CONFIG_NAME) as stream:
        stream.write(yaml.safe_dump(_document(settings, epoch), sort_keys=False).encode())


def _document(settings: ModelSettings, epoch: int) -> dict[str, object]:
    document = config_document(settings, epoch)
    model = document["model"]
    assert isinstance(model, dict)
    own = {"options": dict(settings.options), "target": settings.target, "site": dict(settings.site), "equations": settings.tape}
    model["phy"] |= {key: value for key, value in own.items() if value}
    if settings.delay_bound is not None:
        model["phy"]["delay_bound"] = attrs.asdict(settings.delay_bound)
    model["nn"] |= {"hidden_size": settings.hidden_size, "mlp_hidden_size": settings.mlp_hidden_size}
    if settings.network_options:
        model["nn"]["options"] = dict(settings.network_options)
    return {"plugins": list(settings.plugins), **document}


def _settings(root: Node, plugins: tuple[str, ...]) -> ModelSettings:
    model = root.require("model")
    phy, nn = model.require("phy"), model.require("nn")
    names = phy.require("name").to(name_or_names)
    if len(names) != 1:
        raise phy.require("name").error(f"expected one process model, found {', '.join(names) or 'none'}")
    if names[0] not in PROCESS_MODELS:
        known = ", ".join(PROCESS_MODELS)
        raise phy.require("name").error(f"there is no process model called {names[0]!r}; known are {known}; do the plugins register it?")
    process = PROCESS_MODELS[names[0]]
    forcings, expected = nn.require("forcings").to(name_or_names), [forcing.name for forcing in process.forcings]
    if len(forcings) != len(expected):
        raise nn.require("forcings").error(f"expected names for {', '.join(expected)}, found {', '.join(forcings) or 'none'}")
    dynamic = _names((phy.find("dynamic_params") or phy).find(names[0]))
    try:
        varying = tuple(parameter.name for parameter in process.split(dynamic)[0])
    except ConfigError as error:
        raise phy.require("dynamic_params").error(str(error)) from error
    phy.refuse_slips(_PHY_KEYS)
    nothing = Node(root.file, "", {}, CheckpointError)
    observations, test, site = (
        (root.find("observations") or nothing).refuse_slips(_OBSERVATIONS),
        root.find("test") or nothing,
        phy.find("site"),
    )
    return ModelSettings(
        physics=names[0],
        network=nn.require("name").to(text),
        nmul=phy.require("nmul").to(whole_number),
        routing=phy.require("routing").to(flag),
        nearzero=phy.get("nearzero", positive_number, DEFAULT_NEARZERO),
        dynamic=varying,
        forcings=forcings,
        attributes=_names(nn.find("attributes")),
        log_norm=_names(model.find("use_log_norm")),
        hidden_size=nn.get("hidden_size", whole_number, 0),
        mlp_hidden_size=nn.get("mlp_hidden_size", whole_number),
        upstream_area=observations.get("upstream_area_name", text, DEFAULT_UPSTREAM_AREA),
        elevation=observations.get("elevation_name", text, DEFAULT_ELEVATION),
        pet_method=observations.get("pet_method", one_of(*PET_METHODS)),
        epoch=test.get("test_epoch", whole_number),
        options=phy.get("options", mapping, {}),
        network_options=nn.get("options", mapping, {}),
        site={key: child.to(text) for key, child in site.children().items()} if site else {},
        plugins=plugins,
        tape=phy.get("equations", text),
        delay_bound=_delay_bound(phy.find("delay_bound")),
        target=phy.get("target", text, TOTAL),
    )


def _delay_bound(node: Node | None) -> DelayBound | None:
    if node is None:
        return None
    node.only(*(each.name for each in attrs.fields(DelayBound))).require("attribute")
    try:
        return DelayBound(**node.value)
    except ConfigError as error:
        raise node.error(str(error)) from error


_PHY_KEYS: Final = (
    *("name", "nmul", "routing", "nearzero", "dynamic_params", "forcings", "attributes", "options", "target", "site", "equations"),
    "delay_bound",
)
_OBSERVATIONS: Final = ("upstream_area_name", "elevation_name", "pet_method")


def _names(node: Node | None) -> tuple[str, ...]:
    return node.to(name_or_names) if node else ()


def _weight_file_name(settings: ModelSettings, epoch: int) -> str:
    return f"{settings.physics.lower()}_ep{epoch}{SUFFIX}"


def _read_weights(folder: Path, settings: ModelSettings) -> dict[str, torch.Tensor]:
    present = sorted(folder.glob(f"*{SUFFIX}"))
    wanted = present if settings.epoch is None else [file for file in present if file.stem.endswith(f"_ep{settings.epoch}")]
    if len(wanted) != 1:
        found = ", ".join(file.name for file in present) or "none"
        epoch = "<epoch>" if settings.epoch is None else settings.epoch
        raise CheckpointError(f"{folder}: expected one weight file {settings.physics.lower()}_ep{epoch}{SUFFIX}, found {found}")
    try:
        weights = safetensors.torch.load_file(wanted[0])
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{wanted[0]}: not a readable file of weights: {error}") from error
    check_finite(weights, str(wanted[0]))
    return weights
