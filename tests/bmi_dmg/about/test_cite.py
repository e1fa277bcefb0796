"""Tests of bmi_dmg.about.cite: the papers behind a model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bmi_dmg.about.cite import citations_of
from bmi_dmg.pretrained import shipped_model
from dmg_core import citations
from dmg_core.checkpoint import write_ensemble
from dmg_core.citations import Citation
from dmg_core.errors import CheckpointError
from dmg_core.models import PROCESS_MODELS
from tests.dmg_core.factories import write_model as write_one
from tests.dmg_core.multi_timescale.factories import write_model

#: Every entry there is.
ALL = [value for value in vars(citations).values() if isinstance(value, Citation)]


def keys_of(found: list[Citation]) -> set[str]:
    """Keys of entries."""
    return {each.key for each in found}


def test_a_pretrained_model_has_equations_data_and_framework() -> None:
    """The daily model of the package: HBV 2.0, LSTM, Hargreaves, CAMELS, Daymet, ngen and the BMI, each once."""
    found = citations_of(shipped_model("conus-daily"))
    expected = {"song2025dhbv2", "hochreiter1997lstm", "hargreaves1985", "addor2017camels", "newman2015camels", "thornton1997daymet"}
    assert expected | {"nextgen", "hutton2020bmi"} <= keys_of(found)
    assert len(found) == len(keys_of(found))
    assert "ledimet1986variational" not in keys_of(found)
    assert "ledimet1986variational" in keys_of(citations_of(shipped_model("conus-daily"), assimilation=True))


def test_both_halves_of_an_hourly_model_are_cited(tmp_path: Path) -> None:
    """A multi-timescale model is Yang et al.'s besides what its daily half is; what it learned from is not known."""
    found = keys_of(citations_of(write_model(tmp_path / "model")))
    assert {"yang2026hourly", "song2025dhbv2", "hochreiter1997lstm"} <= found
    assert "addor2017camels" not in found


def test_the_members_of_an_ensemble_are_cited(tmp_path: Path) -> None:
    """An ensemble has the papers of all of its members, each once."""
    members = [write_one(tmp_path / "hbv-2", "Hbv_2"), write_one(tmp_path / "hbv-1", "Hbv_1_1p")]
    found = citations_of(write_ensemble(tmp_path / "both", members).folder)
    assert keys_of(found) == {key for member in members for key in keys_of(citations_of(member))}
    assert keys_of(citations_of(members[0])) != keys_of(citations_of(members[1]))
    assert len(found) == len(keys_of(found))


def test_every_model_of_the_package_has_a_citation() -> None:
    """Nobody has to look for the source of equations."""
    published = [model for model in map(PROCESS_MODELS.__getitem__, PROCESS_MODELS) if model.__module__.startswith("dmg_core.")]
    assert len(published) >= 7
    assert all(model.citations for model in published)


@pytest.mark.parametrize("citation", ALL, ids=lambda each: each.key)
def test_entries_are_bibtex(citation: Citation) -> None:
    """Braces are balanced, fields stand in braces, and a DOI looks like one."""
    entry = citation.bibtex()
    assert entry.count("{") == entry.count("}")
    assert re.fullmatch(r"@[a-z]+\{[a-z0-9]+,\n(  [a-z]+ = \{.+\},\n)+\}\n", entry)
    doi = dict(citation.fields).get("doi")
    assert doi is None or re.fullmatch(r"10\.\d{4,9}/\S+", doi)
    assert len({each.key for each in ALL}) == len(ALL)


def test_no_model_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    """A folder without a model is refused by name."""
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        citations_of(tmp_path)
