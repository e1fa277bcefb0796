"""What a named kind of ngen would do with a run folder that ``bmi-dmg run`` does not: ignore a block, read another layout, stop."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bmi_dmg.checking.findings import Findings, Severity, Subject
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.hydrofabric import find_geopackage
from bmi_dmg.run_folder.layouts import forcing_in_fork_layout, is_in_fork_layout
from bmi_dmg.run_folder.ngen_kinds import NgenKind
from bmi_dmg.run_folder.realization import FORK_TOKEN, ID_TOKEN, ZARR, Realization
from dmg_core.errors import DmgError

#: Blocks of the realization about states -> the kinds of ngen that read them.
READERS: Final = {"serialization": {NgenKind.PR957}, "state_saving": {NgenKind.NGWPC}}
PREPARE: Final = "write it with 'bmi-dmg prepare --for {}'"
START_FILES: Final = "use a kind of ngen that reads it, or 'initial_state' in the BMI configs, which needs nothing from ngen"
_TOKEN: Final = re.compile(r"\{\{\w+\}\}")


def inspect_for_ngen(kind: NgenKind, folder: Path, realization: Realization, findings: Findings) -> None:
    """Note what a kind of ngen would refuse, or pass over without a word; the working directory must be the run folder.

    Parameters
    ----------
    kind : NgenKind
        Which ngen is to run the folder.
    folder : Path
        The run folder.
    realization : Realization
        Its realization.
    findings : Findings
        Where findings go.
    """
    content: dict[str, Any] = json.loads(realization.path.read_text(encoding="utf-8"))
    _Checks(kind, realization, content, findings).all(folder)


class _Checks:
    def __init__(self, kind: NgenKind, realization: Realization, content: dict[str, Any], findings: Findings) -> None:
        self._kind, self._realization, self._content, self._findings = kind, realization, content, findings

    def all(self, folder: Path) -> None:
        self._check_ignored_states()
        if self._kind is NgenKind.PR957:
            self._check_serialization()
        if self._kind is NgenKind.NGWPC:
            self._check_state_saving()
            self._check_output_block()
        self._check_layers()
        self._check_init_config()
        self._check_hydrofabric(folder)
        self._check_forcing()

    def _note(self, severity: Severity, kind: str, message: str, remedy: str, place: object = None, **details: Any) -> None:
        add = {Severity.ERROR: self._findings.error, Severity.WARNING: self._findings.warning, Severity.NOTE: self._findings.note}
        add[severity](kind, message, place or self._realization.path, remedy, **details)

    def _blocks(self, key: str) -> Iterator[Any]:
        """Give a block wherever it may stand: at the top, or in the parameters of the formulation or its module."""
        (formulation,) = self._content["global"]["formulations"]
        modules = [module["params"] for module in formulation["params"].get("modules", ())]
        for place in (self._content, formulation["params"], *modules):
            if place.get(key):
                yield place[key]

    # --- states ----------------------------------------------------------------------------------------------------------------------

    def _check_ignored_states(self) -> None:
        """Note blocks about states that this ngen passes over: a resumed run would start from nothing."""
        for key, readers in READERS.items():
            for block in self._blocks(key) if self._kind not in readers else ():
                starts = "load" in json.dumps(block) or (isinstance(block, dict) and "restore" in block)
                does = "this run would start from nothing" if starts else "no states would be saved"
                self._note(
                    Severity.ERROR if starts else Severity.WARNING,
                    "ngen-states",
                    f"{self._realization.path}: {self._kind.label} passes over '{key}' without a word: {does}",
                    START_FILES if starts else "use a kind of ngen that reads it, or 'checkpoint' in the BMI configs",
                    variable=key,
                )

    def _check_serialization(self) -> None:
        """Note folders that are not there to save to, and files that are not there to restore from."""
        for block in self._blocks("serialization"):
            for key in ("save", "restore"):
                part = block.get(key) if isinstance(block, dict) else None
                if not isinstance(part, dict) or part.get("check", True) is False or part.get("frequency") == 0:
                    continue
                path = part.get("path", block.get("path"))
                if not isinstance(path, str):
                    message = f"{self._realization.path}: 'serialization.{key}' has no path"
                    self._note(Severity.ERROR, "ngen-states", message, "add 'path'", variable="serialization")
                elif key == "save" and not _is_there(Path(path).parent):
                    message = f"{self._realization.path}: 'serialization' saves to {path}, but ngen does not make the folder"
                    self._note(Severity.ERROR, "ngen-states", message, f"make {Path(path).parent}", variable="serialization")
                elif key == "restore" and not _is_there(Path(path)):
                    message = f"{self._realization.path}: 'serialization' restores from {path}, but there is no such file"
                    fatal = part.get("fatal", True)
                    self._note(
                        Severity.ERROR if fatal else Severity.WARNING,
                        "ngen-states",
                        message,
                        "run what saves it first, or correct the path",
                        variable="serialization",
                    )

    def _check_state_saving(self) -> None:
        """Note states that are not there, and a hot start that would be given the wrong hours."""
        entries = [entry for block in self._blocks("state_saving") if isinstance(block, list) for entry in block]
        for entry in (entry for entry in entries if isinstance(entry, dict) and entry.get("direction") == "load"):
            path = str(entry.get("path", ""))
            if not Path(path).exists():
                message = f"{self._realization.path}: 'state_saving' loads from {path}, which is not there"
                self._note(Severity.ERROR, "ngen-states", message, "run what saves it first, or correct the path", variable="state_saving")
            if entry.get("when") == "StartOfRun" and not self._realization.formulation.is_nested:
                message = (
                    f"{self._realization.path}: {self._kind.label} does not reset the clock of a 'bmi_python' that stands alone, so after "
                    "a start from saved states it would be given the weather of wrong hours"
                )
                self._note(Severity.ERROR, "ngen-states", message, "put the module into a 'bmi_multi'", variable="state_saving")

    # --- what is read -----------------------------------------------------------------------------------------------------------------

    def _check_output_block(self) -> None:
        if "output" in self._content:
            message = f"{self._realization.path}: {self._kind.label} passes over 'output'; its files go where 'output_root' says"
            self._note(Severity.WARNING, "ngen-output", message, "use 'output_root'", variable="output")

    def _check_layers(self) -> None:
        if self._content.get("catchments"):
            message = f"{self._realization.path}: formulations of single catchments, in 'catchments', are not looked at"
            self._note(Severity.NOTE, "ngen-catchments", message, "look at their BMI configs yourself", variable="catchments")
        for layer in self._content.get("layers") or ():
            if isinstance(layer, dict) and layer.get("id") == 0:
                message = f"{self._realization.path}: 'layers' has an entry with id 0, at which ngen stops: it adds a second surface layer"
                self._note(Severity.ERROR, "ngen-layers", message, "remove the entry", variable="layers")

    def _check_init_config(self) -> None:
        """Note a name of BMI configs that would become another in this ngen."""
        (formulation,) = self._content["global"]["formulations"]
        params = formulation["params"]
        (params,) = [module["params"] for module in params["modules"]] if "modules" in params else [params]
        name = str(params.get("init_config", ""))
        with_prefix = FORK_TOKEN in name
        if ID_TOKEN in name and with_prefix is not (self._kind is NgenKind.NGWPC):
            stands = "a number, such as 7" if self._kind is NgenKind.NGWPC else "an id with its prefix, such as cat-7"
            right = ID_TOKEN if with_prefix else FORK_TOKEN
            message = f"{self._realization.path}: 'init_config' is {name}, but in {self._kind.label} {ID_TOKEN} stands for {stands}"
            self._note(Severity.ERROR, "ngen-configs", message, f"write {right} in its place", variable="init_config")

    def _check_hydrofabric(self, folder: Path) -> None:
        subject = Subject("hydrofabric", "config", "put exactly one hydrofabric geopackage into the folder 'config'")
        geopackage = self._findings.attempt(subject, find_geopackage, folder)
        is_fork = None if geopackage is None else self._findings.attempt(subject, is_in_fork_layout, geopackage)
        if is_fork is not None and is_fork is not (self._kind is NgenKind.NGWPC):
            layout = "v2.2 (divide_id)" if is_fork is False else "NGWPC's (div_id)"
            message = f"{geopackage}: the hydrofabric is in the layout {layout}, which {self._kind.label} does not read"
            remedy = "take a hydrofabric v2.2" if is_fork else PREPARE.format(self._kind.value)
            self._note(Severity.ERROR, "ngen-hydrofabric", message, remedy, geopackage)

    def _check_forcing(self) -> None:
        """Note what ngen does not read, and a NetCDF file of the other layout; one that cannot be read is noted elsewhere."""
        settings = self._realization.forcing
        if settings.provider == ZARR or settings.url is not None:
            message = f"{self._realization.path}: forcing in Zarr, or behind a URL ({settings.place}), is read by 'bmi-dmg' alone"
            self._note(Severity.ERROR, "ngen-forcing", message, "get it as a NetCDF file in NGIAB's layout", self._realization.path)
            return
        if settings.provider != "NetCDF":
            return
        try:
            open_forcing(settings, []).close()
        except DmgError:
            return
        is_fork = forcing_in_fork_layout(settings.path)
        if is_fork is not (self._kind is NgenKind.NGWPC):
            order = "time as its first dimension" if is_fork else "catchment-id as its first dimension, or times that are no doubles"
            message = f"{settings.path}: the forcing has {order}, which {self._kind.label} does not read right"
            remedy = "write it with catchment-id first" if is_fork else PREPARE.format(self._kind.value)
            self._note(Severity.ERROR, "ngen-forcing", message, remedy, settings.path)


def _is_there(path: Path) -> bool:
    """Whether there is a file or folder of that name, with anything in the place of ngen's tokens."""
    return bool(glob.glob("*".join(glob.escape(part) for part in _TOKEN.split(str(path)))))  # noqa: PTH207  # may be absolute
