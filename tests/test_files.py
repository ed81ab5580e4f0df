"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from nchw2nhwc.errors import OutputError, SourceError
from nchw2nhwc.files import Staging, is_utf8, size_of, write_file
from nchw2nhwc.source import identify


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


def test_named_files_and_folders_of_libraries(tmp_path: Path) -> None:
    file, folder = tmp_path / "new" / "a.keras", tmp_path / "model"
    folder.mkdir()
    (folder / "model.pb").write_text("old")
    with Staging() as staging:
        for final in (file, folder):
            assert staging.add_named(final, folder="model.pb" if final is folder else "").name == final.name
        staging.temporary(file).write_text("content")
        staging.temporary(folder).mkdir()
        (staging.temporary(folder) / "model.pb").write_text("new")
        assert (folder / "model.pb").read_text() == "old"
        staging.commit()
    assert file.read_text() == "content"
    assert (folder / "model.pb").read_text() == "new"
    assert (size_of(file), size_of(folder)) == (7, 3)
    assert sorted(os.listdir(tmp_path)) == ["model", "new"]


def test_named_files_leave_nothing_without_a_commit(tmp_path: Path) -> None:
    with Staging() as staging:
        staging.add_named(tmp_path / "x" / "a.keras").write_text("half")
        staging.add_named(tmp_path / "b", folder="model.pb").mkdir()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes")
def test_a_name_that_libraries_do_not_take(tmp_path: Path) -> None:
    name = tmp_path / os.fsdecode(b"a\xff")
    with pytest.raises(OutputError, match="not UTF-8"):
        write_file(name, b"")
    name.write_bytes(b"\x08")
    with pytest.raises(SourceError, match="not UTF-8"):
        identify(name)
    assert is_utf8(tmp_path / "\N{CHECK MARK}")


def test_nothing_takes_the_place_of_what_is_read(tmp_path: Path) -> None:
    read, link = tmp_path / "read", tmp_path / "link"
    read.write_bytes(b"mine")
    link.symlink_to(read)
    for final in (read, link):
        with pytest.raises(OutputError, match=f"{final.name}' is an input"):
            write_file(final, b"new", reads=[tmp_path / "none", read])
        with Staging([read]) as staging, pytest.raises(OutputError, match="is an input"):
            staging.add_named(final)
    assert read.read_bytes() == b"mine"
    write_file(tmp_path / "new", b"new", reads=[read])
    assert (tmp_path / "new").read_bytes() == b"new"


def test_a_folder_that_another_process_makes_meanwhile_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def outrun(path: Path) -> None:
        make(path)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(Path, "mkdir", outrun)
    write_file(tmp_path / "x" / "a", b"new")
    assert (tmp_path / "x" / "a").read_bytes() == b"new"


def test_a_folder_that_another_process_writes_into_meanwhile_stays(tmp_path: Path) -> None:
    with Staging() as staging:
        staging.add(tmp_path / "x" / "a")
        (tmp_path / "x" / "other").write_text("")
    assert os.listdir(tmp_path / "x") == ["other"]


@pytest.mark.parametrize("target", ["out", "gone"], ids=["itself", "nothing"])
def test_a_folder_that_is_a_link_to_no_folder(target: str, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(OutputError, match="out' is no folder and cannot be made one"):
        write_file(tmp_path / "out" / "a", b"")
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis").write_text("")
    (tmp_path / "file").write_text("")
    for name, marker, message in (("model", "model.pb", "something else"), ("model", "", "a folder of that name"),
                                  ("file", "model.pb", "a file of that name")):
        with Staging() as staging, pytest.raises(OutputError, match=message):
            staging.add_named(tmp_path / name, folder=marker)
    assert sorted(os.listdir(tmp_path)) == ["file", "model"]
