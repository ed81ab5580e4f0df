"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nchw2nhwc.errors import OutputError
from nchw2nhwc.files import Staging, write_file


def test_written_files_replace_old_ones(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    write_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_several_files_appear_together_and_folders_are_made(tmp_path: Path) -> None:
    first, second = tmp_path / "x" / "y" / "a", tmp_path / "x" / "b"
    with Staging() as staging:
        for path in (first, second):
            staging.add(path)
            with staging.open(path) as file:
                file.write(path.name.encode())
        assert not first.exists()
        assert not second.exists()
        staging.commit()
    assert (first.read_bytes(), second.read_bytes()) == (b"a", b"b")


def test_nothing_is_left_without_a_commit(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Staging() as staging:
            staging.add(tmp_path / "x" / "y" / "a")
            with staging.open(tmp_path / "x" / "y" / "a") as file:
                file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_files_get_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_folder_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="there is a folder of that name"):
        write_file(tmp_path / "a", b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        write_file(tmp_path / "file" / "a", b"")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]
