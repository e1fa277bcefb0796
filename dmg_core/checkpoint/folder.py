"""A δMG model folder as a whole: config, statistics and weights that fit together."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from dmg_core.checkpoint.config import CONFIG_NAME, ModelConfig, ModelSettings, check_settings, config_document, read_config
from dmg_core.checkpoint.ensemble import is_ensemble_folder, read_ensemble
from dmg_core.checkpoint.own import is_own_folder, is_published_form, read_own, write_own
from dmg_core.checkpoint.spellings import forcing_index
from dmg_core.checkpoint.statistics import STATISTICS_NAME, checked_rows, forcing_in_statistics, read_statistics
from dmg_core.checkpoint.weights import PREFIX, Sizes, check_weights, find_weight_file, input_layer, read_weights, weight_file_name
from dmg_core.errors import CheckpointError
from dmg_core.files import written_whole


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model as it lies on disk.

    Parameters
    ----------
    folder : Path
        Where it was read from.
    settings : ModelSettings
        What makes the model, with all spellings resolved and all sizes as the tensors have them.
    statistics : dict of str to (p10, p90, mean, std) or (p10, p90, mean, std, min, max)
        One row for each forcing and attribute of the settings.
    weights : dict of str to Tensor
        Tensors on the CPU by δMG's name without ``nn_model.``. They may be mapped from the file, which must then not be changed in place.
    """

    folder: Path
    settings: ModelSettings
    statistics: dict[str, tuple[float, ...]]
    weights: dict[str, torch.Tensor]


def read_checkpoint(folder: str | Path) -> Checkpoint:
    """Read and check a δMG model folder, in any of its dialects.

    The tensors decide nmul, routing and hidden sizes; where ``config.yaml`` says otherwise, one ``UserWarning`` names every difference.
    No code in the weight file is run. Where the network was trained with its forcings in another order than precipitation, temperature,
    PET, the columns of its input layer are put into this order.

    Parameters
    ----------
    folder : str or Path
        Folder with ``config.yaml``, ``normalization_statistics.json`` and a weight file.

    Returns
    -------
    Checkpoint
        Whose parts fit together.

    Raises
    ------
    CheckpointError
        If files are missing or damaged, or do not fit together; the message names file, key, what was expected and what was found.
    """
    folder = Path(folder)
    if is_ensemble_folder(folder):
        raise CheckpointError(f"{folder}: is an ensemble of {', '.join(read_ensemble(folder).names)}; name one of its members")
    if is_own_folder(folder):
        return Checkpoint(folder, *read_own(folder))
    check_files(folder)
    config = read_config(folder / CONFIG_NAME)
    statistics_file = folder / STATISTICS_NAME
    statistics = read_statistics(statistics_file)
    weight_file, epoch = find_weight_file(folder, config.physics, config.test_epoch)
    weights = read_weights(weight_file)
    sizes = check_weights(weights, config, str(weight_file))
    warn_of_differences(config, sizes, weight_file)
    forcings = tuple(forcing_in_statistics(name, statistics, statistics_file) for name in config.forcings)
    settings = settings_of(config, sizes, forcings, epoch)
    return Checkpoint(
        folder=folder,
        settings=settings,
        statistics=checked_rows(statistics, (*settings.forcings, *settings.attributes), statistics_file),
        weights=_in_table_order(weights, config),
    )


def write_checkpoint(
    folder: str | Path,
    checkpoint_settings: ModelSettings,
    statistics: Mapping[str, Sequence[float]],
    weights: Mapping[str, torch.Tensor],
    *,
    epoch: int,
) -> None:
    """Write a model folder that :func:`read_checkpoint` reads back: δMG's, or that of a model of a user's own.

    Each file is written whole or not at all; ``config.yaml``, which names the epoch, comes last. Weight files of other epochs stay.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    checkpoint_settings : ModelSettings
        What makes the model. Its own ``epoch`` is not looked at.
    statistics : mapping of str to (p10, p90, mean, std) or (p10, p90, mean, std, min, max)
        At least one row for each forcing and attribute; only those are written.
    weights : mapping of str to Tensor
        By δMG's name without ``nn_model.``.
    epoch : int
        Epoch of training, for the file's name.

    Raises
    ------
    CheckpointError
        If the parts do not fit together; nothing is written then.
    """
    folder, settings = Path(folder), checkpoint_settings
    if not is_published_form(settings):
        write_own(folder, settings, statistics, weights, epoch=epoch)
        return
    weight_file, statistics_file = folder / weight_file_name(settings.physics, epoch), folder / STATISTICS_NAME
    check_settings(settings)
    rows = checked_rows(statistics, (*settings.forcings, *settings.attributes), statistics_file)
    sizes = check_weights(weights, settings, str(weight_file))
    said = Sizes(settings.nmul, settings.routing, settings.hidden_size, settings.mlp_hidden_size)
    if said != sizes:
        raise CheckpointError(f"{weight_file}: not written, the settings say {said}, the tensors {sizes}")
    write_files(folder, weight_file, weights, rows, config_document(settings, epoch))


def write_files(
    folder: Path, weight_file: Path, tensors: Mapping[str, torch.Tensor], statistics: Mapping[str, object], config: Mapping[str, object]
) -> None:
    """Write the files of a model folder, each whole or not at all; ``config.yaml``, which names the epoch, comes last."""
    document = yaml.safe_dump(dict(config), sort_keys=False)
    folder.mkdir(parents=True, exist_ok=True)
    # Cloned, because saving a view would save all of the storage behind it.
    named = {f"{PREFIX}{name}": tensor.detach().cpu().clone() for name, tensor in tensors.items()}
    with written_whole(weight_file) as stream:
        torch.save(named, stream)
    with written_whole(folder / STATISTICS_NAME) as stream:
        stream.write(json.dumps(statistics, indent=1).encode())
    with written_whole(folder / CONFIG_NAME) as stream:
        stream.write(document.encode())


def check_files(folder: Path) -> None:
    """Refuse a folder that is none, or lacks files."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: expected a model folder, found {'a file' if folder.exists() else 'nothing'}")
    missing = [name for name in (CONFIG_NAME, STATISTICS_NAME) if not (folder / name).is_file()]
    if not any(folder.glob("*.pt")):
        missing.append("<model>_ep<epoch>.pt")
    if missing:
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise CheckpointError(f"{folder}: missing files: {', '.join(missing)}; found {found}")


def warn_of_differences(config: ModelConfig, sizes: Sizes, weight_file: Path) -> None:
    """Warn where the config contradicts the tensors."""
    differences = []
    for name, node in config.sizes.items():
        value = getattr(sizes, name)
        if value != node.value:
            differences.append(f"{node.path} is {node.value}, the weights have {value}")
    if differences:
        message = f"{weight_file.parent / CONFIG_NAME} does not fit {weight_file.name}, whose tensors are used: {'; '.join(differences)}"
        # Attributed to the caller of the function that reads the folder.
        warnings.warn(message, UserWarning, stacklevel=3)


def settings_of(config: ModelConfig, sizes: Sizes, spelled: tuple[str, ...], epoch: int | None) -> ModelSettings:
    """Put together what the config says and what the tensors decide; ``spelled`` are the forcings as the statistics name them."""
    precipitation, temperature, pet = (spelled[column] for column in config.forcing_columns)
    forcings = (precipitation, temperature, pet)
    return ModelSettings(
        physics=config.physics,
        network=config.network,
        nmul=sizes.nmul,
        routing=sizes.routing,
        nearzero=config.nearzero,
        dynamic=config.dynamic,
        forcings=forcings,
        attributes=config.attributes,
        log_norm=tuple(name if (index := forcing_index(name)) is None else forcings[index] for name in config.log_norm),
        hidden_size=sizes.hidden_size,
        mlp_hidden_size=sizes.mlp_hidden_size,
        upstream_area=config.upstream_area,
        elevation=config.elevation,
        pet_method=config.pet_method,
        epoch=epoch,
    )


def _in_table_order(weights: dict[str, torch.Tensor], config: ModelConfig) -> dict[str, torch.Tensor]:
    """Put the input columns of the forcings into the order precipitation, temperature, PET."""
    if config.forcing_columns == (0, 1, 2):
        return weights
    layer = input_layer(config.network)
    columns = [*config.forcing_columns, *range(len(config.forcings), weights[layer].shape[1])]
    return {**weights, layer: weights[layer][:, columns]}
