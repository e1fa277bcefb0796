"""Tests of dmg_core.files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmg_core.files import path_written_whole, written_whole


def test_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    """The new content appears under the name at the end of the block, not before, and nothing else is left behind."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"old")
    with written_whole(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_error_leaves_the_old_file(tmp_path: Path) -> None:
    """An error in the block passes through and leaves the old file and no temporary one."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), written_whole(path) as stream:
        stream.writelines([b"half", "text"])  # type: ignore[list-item]  # the error that is wanted here
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_written_by_name_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    """What a library has written by name appears under the name at the end of the block, and nothing else is left behind."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"old")
    with path_written_whole(path) as unfinished:
        unfinished.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_error_leaves_the_old_file_written_by_name(tmp_path: Path) -> None:
    """An error in the block passes through and leaves the old file and no temporary one."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"old")

    def fail_halfway(unfinished: Path) -> None:
        unfinished.write_bytes(b"half")
        raise KeyError

    with pytest.raises(KeyError), path_written_whole(path) as unfinished:
        fail_halfway(unfinished)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
