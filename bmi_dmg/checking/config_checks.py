"""What is wrong with the BMI configurations of a run, and with the model folders they name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import attrs

from bmi_dmg.bmi.startup import check_time_step
from bmi_dmg.checking.findings import Findings, Severity, Subject, listing
from bmi_dmg.checking.model_facts import ModelFacts, read_model_facts
from bmi_dmg.checking.routing_checks import inspect_double_routing
from bmi_dmg.config.bmi_config import SETTINGS, WITHOUT_EFFECT, BmiConfig, read_config
from bmi_dmg.run_folder.realization import Formulation, Realization
from dmg_core.attribute_ranges import TrainingRange
from dmg_core.errors import ConfigError, DmgError
from dmg_core.validation import refuse_slips


@dataclass
class InspectedConfigs:
    """What is left after a look at the configurations of a run.

    Attributes
    ----------
    sound : list of str
        Catchments whose configuration has no error.
    gaps_filled : set of str
        Those whose configuration says what to do where forcing is missing.
    cold : list of str
        Those that start with empty stores.
    sources : set of Path
        Model folders, and states to start from, that configurations name.
    restart_folders : set of Path
        Folders that they name for restart files.
    """

    sound: list[str] = field(default_factory=list)
    gaps_filled: set[str] = field(default_factory=set)
    cold: list[str] = field(default_factory=list)
    sources: set[Path] = field(default_factory=set)
    restart_folders: set[Path] = field(default_factory=set)


def inspect_configs(realization: Realization, ids: Sequence[str], findings: Findings) -> InspectedConfigs:
    """Read the configuration of every catchment, and every model folder, and note what does not fit.

    Parameters
    ----------
    realization : Realization
        The run; its BMI class is :class:`bmi_dmg.BmiDeltaModel`.
    ids : sequence of str
        Catchments that have a configuration.
    findings : Findings
        Where findings go.
    """
    inspected, inspection = InspectedConfigs(), _Inspection(realization, findings)
    for catchment in ids:
        config = inspection.of(catchment)
        if config is not None:
            inspected.sound.append(catchment)
            inspected.sources |= {config.model_dir} if config.initial_state is None else {config.model_dir, config.initial_state}
            inspected.restart_folders |= set() if config.checkpoint is None else {config.checkpoint.path}
            if config.missing_forcing != "error":
                inspected.gaps_filled.add(catchment)
            if config.initial_state is None and config.spinup is None:
                inspected.cold.append(catchment)
    inspection.report()
    return inspected


@dataclass(frozen=True)
class _Sort:
    """What findings about several catchments have in common; the text has {path} where theirs differ."""

    severity: Severity
    kind: str
    text: str
    remedy: str
    variable: str | None = None


class _Inspection:
    """Goes through configurations and gathers what is the same in many of them."""

    def __init__(self, realization: Realization, findings: Findings) -> None:
        self._realization = realization
        self._findings = findings
        self._models: dict[Path, ModelFacts | None] = {}
        self._gathered: dict[_Sort, list[str]] = {}
        self._far: dict[tuple[str, TrainingRange], list[tuple[str, float]]] = {}

    @property
    def _formulation(self) -> Formulation:
        return self._realization.formulation

    def of(self, catchment: str) -> BmiConfig | None:
        """Look at one configuration; give it if it has no error."""
        path = Path(self._formulation.config_of(catchment))
        try:
            config = read_config(path)
            self._check_start(config, catchment)
            facts = self._facts(config.model_dir)
            if facts is None or self._has_no_start(config, facts, catchment):
                return None
            check_time_step(config, facts.process)
            self._check_pet(config, facts, catchment)
            complete = self._check_attributes(config, facts, catchment)
        except DmgError as error:
            text = str(error).replace(str(path), "{path}")
            self._note(Severity.ERROR, "config", text, "correct the configuration", None, catchment)
            return None
        if config.catchment_id != catchment:
            text = f"{path}: catchment_id is {config.catchment_id}, but the file is that of {catchment}: is this another's configuration?"
            self._findings.warning(
                "config-catchment", text, path, f"set catchment_id to {catchment}, and look at the attributes", catchments=(catchment,)
            )
        return config if complete and not self._starts_wrongly(config) else None

    def _facts(self, folder: Path) -> ModelFacts | None:
        """Read a model folder, the first time it is named."""
        if folder not in self._models:
            subject = Subject("model", folder, "get the model's files again, or name another folder as model_dir in the BMI configs")
            facts = self._findings.attempt(subject, read_model_facts, folder)
            for difference in facts.differences if facts is not None else ():
                self._findings.note("model", difference, folder, "none needed: the weights count")
            for what in facts.uncounted if facts is not None else ():
                text = f"{folder}: {what} counts no water: it gives flow without a water balance, so there is none to check"
                self._findings.note("model", text, folder, "none needed")
            if facts is not None:
                inspect_double_routing(self._realization, facts, self._findings)
            self._models[folder] = facts
        return self._models[folder]

    def _has_no_start(self, config: BmiConfig, facts: ModelFacts, catchment: str) -> bool:
        """Note a model that needs a spin-up and gets none."""
        if not facts.needs_series or config.initial_state is not None or config.spinup is not None:
            return False
        text = (
            f"{{path}}: the static parameters of {facts.process.name} ({facts.folder}) are the network's outputs at the end of a series; "
            "without a spin-up such a model cannot be stepped through the BMI"
        )
        self._note(Severity.ERROR, "model", text, "run 'bmi-dmg spinup' with --use, or use a model of the 2.0 family", None, catchment)
        return True

    def _starts_wrongly(self, config: BmiConfig) -> bool:
        """Whether days would be cut at the wrong hour, or have the wrong season."""
        start = self._realization.start
        if config.start_time == start:
            return False
        return config.start_time.hour != start.hour or config.pet_method == "hargreaves"

    def _check_start(self, config: BmiConfig, catchment: str) -> None:
        start = self._realization.start
        if config.start_time != start:
            severity = Severity.ERROR if self._starts_wrongly(config) else Severity.WARNING
            text = f"{{path}}: start_time is {config.start_time}, but the run starts at {start} ({self._realization.path})"
            remedy = f"set start_time to {start}; the model takes the day and its hours from it"
            self._note(severity, "config-start", text, remedy, "start_time", catchment)

    def _check_pet(self, config: BmiConfig, facts: ModelFacts, catchment: str) -> None:
        if facts.pet_method not in {None, config.pet_method}:
            text = f"{{path}}: pet_method is {config.pet_method}, but the model {facts.folder} was trained with {facts.pet_method}"
            remedy = f"set pet_method to {facts.pet_method}, or take results with caution"
            self._note(Severity.WARNING, "config-pet", text, remedy, "pet_method", catchment)

    def _check_attributes(self, config: BmiConfig, facts: ModelFacts, catchment: str) -> bool:
        """Note missing and strange attributes, and keys that mean nothing; say whether all attributes are there."""
        known = [*facts.attributes, *WITHOUT_EFFECT, *SETTINGS]
        refuse_slips(config.path, config.others, known, ConfigError)
        for key in config.others.keys() - set(known):
            text = f"{{path}}: key {key!r} means nothing to this model and is ignored"
            self._note(Severity.NOTE, "config-key", text, "remove it, or correct it", key, catchment)
        given = {name: config.others[name] for name in facts.attributes if config.others.get(name) is not None}
        values = attrs.evolve(config, others=given).attributes(given)
        missing = [name for name in facts.attributes if not math.isfinite(values.get(name, math.nan))]
        for name in missing:
            remedy = f"add a line '{name}: <value>', or write the configs anew with 'bmi-dmg prepare'"
            self._note(Severity.ERROR, "attribute-missing", f"{{path}}: the attribute {name} is missing", remedy, name, catchment)
        for name, seen in facts.training_ranges.items():
            if name not in missing and values[name] not in seen:
                self._far.setdefault((name, seen), []).append((catchment, values[name]))
        return not missing

    def _note(self, severity: Severity, kind: str, text: str, remedy: str, variable: str | None, catchment: str) -> None:
        self._gathered.setdefault(_Sort(severity, kind, text, remedy, variable), []).append(catchment)

    def report(self) -> None:
        """Pass on what has been gathered."""
        for sort, catchments in self._gathered.items():
            first = self._formulation.config_of(catchments[0])
            more = "" if len(catchments) == 1 else f" (and the same for {len(catchments) - 1} more: {listing(catchments[1:])})"
            self._add(sort, sort.text.replace("{path}", str(Path(first))) + more, first, catchments)
        for (name, seen), values in self._far.items():
            text, catchments = seen.tell(name, values), seen.farthest_first(values)
            remedy = "check the value and its unit; if it is right, take results there with caution"
            sort = _Sort(Severity.WARNING, "attribute-range", text, remedy, name)
            self._add(sort, text, self._formulation.config_of(catchments[0]), catchments)

    def _add(self, sort: _Sort, message: str, place: str, catchments: Iterable[str]) -> None:
        add = {Severity.ERROR: self._findings.error, Severity.WARNING: self._findings.warning, Severity.NOTE: self._findings.note}
        add[sort.severity](sort.kind, message, place, sort.remedy, catchments=tuple(catchments), variable=sort.variable)
