"""Tests of dmg_core.files."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dmg_core.files import many_written_whole, path_written_whole, written_whole

Write = Callable[[Path, bytes], None]


def _write(path: Path, content: bytes) -> None:
    with written_whole(path) as stream:
        stream.write(content)


def _write_by_name(path: Path, content: bytes) -> None:
    with path_written_whole(path) as unfinished:
        unfinished.write_bytes(content)


@pytest.fixture(params=[_write, _write_by_name])
def write(request: pytest.FixtureRequest) -> Write:
    """Both ways to write a file: what one promises, both do."""
    chosen: Write = request.param
    return chosen


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


def test_file_and_its_name_are_on_disk_at_the_end(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is forced to disk before the file gets its name, and the folder that holds the name after that."""
    path, forced = tmp_path / "numbers.txt", []

    def force(descriptor: int) -> None:
        status = os.fstat(descriptor)
        forced.append((stat.S_ISDIR(status.st_mode), path.exists(), os.path.samestat(status, tmp_path.stat()) or status.st_size))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", force)
        write(path, b"new")
    assert forced == [(False, False, 3), (True, True, True)]


def test_error_of_the_disk_leaves_the_old_file(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails when the content is forced onto it leaves the old file and no temporary one."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_the_old_file(small_disk: Path, write: Write) -> None:
    """A disk without room for the new file keeps the old one, and the room that the new one took is free again."""
    path = small_disk / "numbers.txt"
    write(path, b"o" * 40_000)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left on device"):
            write(path, b"n" * 40_000)
        assert path.read_bytes() == b"o" * 40_000
        assert list(small_disk.iterdir()) == [path]
    write(path, b"n" * 10_000)
    assert path.read_bytes() == b"n" * 10_000


def test_read_only_disk_leaves_the_old_file(small_disk: Path, remount_read_only: Callable[[], None], write: Write) -> None:
    """On a disk that cannot be written to, the old file stays."""
    path = small_disk / "numbers.txt"
    write(path, b"old")
    remount_read_only()
    with pytest.raises(OSError, match="Read-only file system"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [path]


@contextmanager
def _quota(size: int) -> Iterator[None]:
    """No file of this process may be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_quota_leaves_the_old_file(tmp_path: Path, write: Write) -> None:
    """A file that may not become as large as the new one stays the old one, and no temporary one is left."""
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"old")
    with _quota(1000), pytest.raises(OSError, match="File too large"):
        write(path, b"n" * 100_000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_cannot_be(tmp_path: Path, write: Write) -> None:
    """A folder that is a file is an error of the file system, and the file stays."""
    (tmp_path / "folder").write_bytes(b"old")
    with pytest.raises(OSError, match="Not a directory"):
        write(tmp_path / "folder" / "numbers.txt", b"new")
    assert (tmp_path / "folder").read_bytes() == b"old"


def test_many_files_are_written_together(tmp_path: Path) -> None:
    """They replace those that are there, others stay, nothing else is left, and an error while they are made replaces none."""
    folder = tmp_path / "deep" / "configs"
    many_written_whole(folder, [("a.yml", b"1"), ("b.yml", b"2")])
    (folder / "own.txt").write_bytes(b"mine")

    def broken() -> Iterator[tuple[str, bytes]]:
        yield "a.yml", b"3"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        many_written_whole(folder, broken())
    assert (folder / "a.yml").read_bytes() == b"1"
    many_written_whole(folder, [("b.yml", b"4")])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.yml": b"1", "b.yml": b"4", "own.txt": b"mine"}
    assert [path.name for path in folder.parent.iterdir()] == ["configs"]
