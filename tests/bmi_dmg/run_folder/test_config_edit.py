from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bmi_dmg.run_folder.config_edit import with_key
from dmg_core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nstate: zero\nb: 2\n", "a: 1\nstate: ./x.y\nb: 2\n"),
        ("state: zero", "state: ./x.y"),
        ("state:   zero   # cold\n# end", "state: ./x.y   # cold\n# end"),
        ("state:\nb: 2\n", "state: ./x.y\nb: 2\n"),
        ("a: 1\n", "a: 1\nstate: ./x.y\n"),
        ("a: 1", "a: 1\nstate: ./x.y\n"),
        ("a: 1\r\nstate: zero\r\nb: 2\r\n", "a: 1\r\nstate: ./x.y\r\nb: 2\r\n"),
        ("a: 1\r\n", "a: 1\r\nstate: ./x.y\r\n"),
        ("# state: zero\na: {state: 3}\n", "# state: zero\na: {state: 3}\nstate: ./x.y\n"),
        ("a:\n  state: 3\n", "a:\n  state: 3\nstate: ./x.y\n"),
        ("state: ./a#b.x # cold\n", "state: ./x.y # cold\n"),
        ("# δHBV\nstate: 'old # not a comment'\n", "# δHBV\nstate: ./x.y\n"),
    ],
)
def test_one_line_changes(tmp_path: Path, text: str, expected: str) -> None:
    """The key gets its value where it stands or at the end; comments, line ends and all other lines stay as they are."""
    file = tmp_path / "cat-1.yml"
    file.write_bytes(text.encode())
    assert with_key(file, "state", "./x.y").decode() == expected
    assert file.read_bytes() == text.encode()


@pytest.mark.parametrize("value", ["./a b.safetensors", "C:\\a: b#c.x", "yes", "1e5", "'", "δ", "x" * 300])
def test_values_that_need_quotes(tmp_path: Path, value: str) -> None:
    """Whatever the value, it reads back as the same text."""
    file = tmp_path / "cat-1.yml"
    file.write_text("state: zero\n")
    assert yaml.safe_load(with_key(file, "state", value)) == {"state": value}


@pytest.mark.parametrize("text", ["{a: 1}", "- state", "state: |\n  zero\n  more\n", "state:\n  a: 1\n", "state: &x zero\nb: *x\n"])
def test_what_one_line_cannot_change_is_refused(tmp_path: Path, text: str) -> None:
    """Where changing or adding one line would not do, or do something else, an error says so."""
    file = tmp_path / "cat-1.yml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"cat-1\.yml: 'state: x' cannot be set by changing one line; set it by hand"):
        with_key(file, "state", "x")


@pytest.mark.parametrize("content", [b"a: [", b"\xff"])
def test_no_yaml(tmp_path: Path, content: bytes) -> None:
    """A file that is no YAML is named, and so is one that does not exist."""
    file = tmp_path / "cat-1.yml"
    file.write_bytes(content)
    for path in (file, tmp_path / "cat-404.yml"):
        with pytest.raises(ConfigError, match=f"{path.name}: cannot be read as YAML"):
            with_key(path, "state", "x")
