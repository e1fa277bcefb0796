"""Folders of ensembles: model folders side by side, and a ``config.yaml`` that names them.

.. code-block:: yaml

    members: [lstm, hbv-2.0]        # folders in this folder
    weights: [1.0, 2.0]             # of their mean, in the same order; alike by default
    digests: {lstm: 3f…, hbv-2.0: a9…}
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from dmg_core.checkpoint.config import CONFIG_NAME, root_of
from dmg_core.checkpoint.statistics import STATISTICS_NAME
from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.files import write_errors, written_whole
from dmg_core.validation import Node, name_or_names, names, positive_number, text

#: Key of ``config.yaml`` that makes a folder an ensemble.
MEMBERS: Final = "members"
#: Least weight of a member, as a share of the largest.
LEAST_WEIGHT: Final = 1e-6
_KEYS: Final = (MEMBERS, "weights", "digests")
#: What names of members are made of: they stand in names of variables.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
#: Files of a member that results depend on; a plugin is one, too.
_THAT_COUNT: Final = (CONFIG_NAME, STATISTICS_NAME, "*_ep*.pt", "*_ep*.safetensors", "*.py")
_EXPERIMENT: Final = "experiment.yaml"


@dataclass(frozen=True)
class EnsembleFolder:
    """What the folder of an ensemble names.

    Attributes
    ----------
    folder : Path
        The folder.
    names : tuple of str
        Of the members, two or more.
    weights : tuple of float
        Of each in the mean; their sum is 1.
    """

    folder: Path
    names: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def members(self) -> tuple[Path, ...]:
        """Model folders of the members."""
        return tuple(self.folder / name for name in self.names)


def is_ensemble_folder(folder: str | Path) -> bool:
    """Whether a folder holds an ensemble, by its config; a folder without one holds none.

    Raises
    ------
    CheckpointError
        If there is a config that cannot be read.
    """
    config = Path(folder) / CONFIG_NAME
    return config.is_file() and root_of(config).find(MEMBERS) is not None


def read_ensemble(folder: str | Path) -> EnsembleFolder:
    """Read what the folder of an ensemble names, and see that its members are those it was made of.

    Raises
    ------
    CheckpointError
        If members are missing, changed or named twice, or weights are not one positive number for each.
    """
    folder = Path(folder)
    root = root_of(folder / CONFIG_NAME).only(*_KEYS)
    listed = root.require(MEMBERS)
    members = listed.to(names)
    if len(members) < 2 or len(set(members)) != len(members):
        raise listed.wrong("the names of two or more folders, each once")
    for name in members:
        _require_name(name, listed)
        if is_ensemble_folder(folder / name):
            raise listed.error(f"{name!r} is an ensemble itself; name its members instead")
        if not (folder / name / CONFIG_NAME).is_file():
            raise listed.error(f"the member {name!r} is missing: there is no {folder / name / CONFIG_NAME}")
    digests = root.require("digests")
    for name in members:
        if digests.require(name).to(text) != digest_of_member(folder / name):
            raise CheckpointError(
                f"{folder / name}: this member has changed since the ensemble was made; bring its files back, or make the ensemble anew "
                "(bmi-dmg ensemble)"
            )
    return EnsembleFolder(folder, members, _weights(root.find("weights"), len(members)))


def members_of(folder: str | Path) -> tuple[tuple[Path, float], ...]:
    """Give the model folders behind a folder with their weights: its members, or itself where it is no ensemble."""
    if not is_ensemble_folder(folder):
        return ((Path(folder), 1.0),)
    ensemble = read_ensemble(folder)
    return tuple(zip(ensemble.members, ensemble.weights, strict=True))


def write_ensemble(
    out: Path,
    members: Sequence[Path],
    weights: Sequence[float] | None = None,
    *,
    check: Callable[[EnsembleFolder], object] | None = None,
) -> EnsembleFolder:
    """Copy model folders into a new folder, and make an ensemble of them; whole or not at all.

    Parameters
    ----------
    out : Path
        Must not be there yet, or be empty.
    members : sequence of Path
        Model folders, two or more; they go by the names of their folders, made different where they are alike.
    weights : sequence of float, optional
        Of each in the mean; alike by default.
    check : callable, optional
        Is given the ensemble before it takes its place, and raises if its members do not fit together.

    Raises
    ------
    CheckpointError
        If there is something in ``out``, members are too few or no model folders, or weights are not one positive number for each.
    """
    _require_new_ensemble(out, members, weights)
    called = _names_of(members)
    document: dict[str, object] = {MEMBERS: list(called)}
    if weights is not None:
        document["weights"] = [float(weight) for weight in weights]
    with write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unfinished-", dir=out.parent) as place:
            unfinished = Path(place) / "ensemble"
            unfinished.mkdir()
            for name, member in zip(called, members, strict=True):
                _copy(member, unfinished / name)
            document["digests"] = {name: digest_of_member(unfinished / name) for name in called}
            with written_whole(unfinished / CONFIG_NAME) as stream:
                stream.write(yaml.safe_dump(document, sort_keys=False).encode())
            with _named(unfinished, out, dict(zip(called, members, strict=True))):
                ensemble = read_ensemble(unfinished)
                if check is not None:
                    check(ensemble)
            if out.exists():
                out.rmdir()
            unfinished.rename(out)
    return read_ensemble(out)


def _require_new_ensemble(out: Path, members: Sequence[Path], weights: Sequence[float] | None) -> None:
    """Require members that can be copied to a free place, and a weight for each."""
    if len(members) < 2:
        raise CheckpointError(f"{out}: an ensemble needs two members or more, found {len(members)}")
    if weights is not None and len(weights) != len(members):
        raise CheckpointError(f"{out}: {len(weights)} weights for {len(members)} members; give one for each, in their order")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out}: is there already; choose another folder, or remove it")
    for member in members:
        if is_ensemble_folder(member):
            raise CheckpointError(f"{member}: is an ensemble itself; name its members instead")
        if not (member / CONFIG_NAME).is_file():
            raise CheckpointError(f"{member}: expected the folder of one model, with {CONFIG_NAME}")


@contextmanager
def _named(unfinished: Path, out: Path, members: Mapping[str, Path]) -> Iterator[None]:
    """Name in errors the folders that people know, not the copies that are gone then."""
    try:
        yield
    except (CheckpointError, ConfigError) as error:
        text = str(error)
        for name, member in members.items():
            text = text.replace(f"{unfinished / name}", f"{member}")
        raise type(error)(text.replace(f"{unfinished}", f"{out}")) from error


def digest_of_member(folder: Path) -> str:
    """Hash of all files of a model folder that results depend on."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _THAT_COUNT for file in folder.glob(pattern)}):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _copy(member: Path, to: Path) -> None:
    """Copy a model folder, and what belongs to it beside it: plugins, and the experiment, which says how evaluations read its data."""
    shutil.copytree(member, to, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    plugins = root_of(member / CONFIG_NAME).find("plugins")
    beside = [f"{name}.py" for name in (plugins.to(name_or_names) if plugins else ())]
    for name in (_EXPERIMENT, *beside):
        if not (to / name).exists() and (member.parent / name).is_file():
            shutil.copyfile(member.parent / name, to / name)


def _names_of(members: Sequence[Path]) -> tuple[str, ...]:
    """Names of folders; of a training's folder ``model`` that of the training."""
    places = [member.resolve() for member in members]
    names = [place.parent.name if place.name == "model" else place.name for place in places]
    names = [re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._") or "member" for name in names]
    taken: list[str] = []
    for name in names:
        taken.append(next(one for one in _candidates(name) if one not in taken))
    return tuple(taken)


def _candidates(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _require_name(name: str, listed: Node) -> None:
    if not _NAME.fullmatch(name):
        raise listed.error(f"{name!r} is no name of a member; expected that of a folder beside this file: letters, digits, '-', '_', '.'")


def _weights(node: Node | None, members: int) -> tuple[float, ...]:
    if node is None:
        return (1.0 / members,) * members
    given = node.value
    if not isinstance(given, list) or len(given) != members:
        raise node.wrong(f"{members} positive numbers, one for each member")
    values = [Node(node.file, f"{node.path}[{place}]", one, node.kind).to(positive_number) for place, one in enumerate(given)]
    largest = max(values)
    if min(values) < LEAST_WEIGHT * largest:
        raise node.error(f"{given} has weights of next to nothing beside the largest; leave those members out")
    shares = [value / largest for value in values]
    return tuple(share / sum(shares) for share in shares)
