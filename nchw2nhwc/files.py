"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nchw2nhwc.errors import OutputError


def is_special(path: Path) -> bool:
    """Whether what stands at a path is neither a file nor a folder: a device or a pipe, whose reading may never end, and which a result
    would replace."""
    return path.exists() and not path.is_file() and not path.is_dir()


def is_utf8(path: Path) -> bool:
    """Whether a path is spelled in UTF-8, as LiteRT and the sources' runtimes take it, whatever the locale is."""
    try:
        return str(path).encode() == os.fsencode(path)
    except UnicodeEncodeError:
        return False


class Staging:
    """Files and folders that are written under temporary names beside their final ones and take those names together, on `commit`.

    Leaving the `with` block without a commit removes what is temporary and the folders that were made for it; what stood at a final
    name before stays as it was. None takes the place of a file in `reads`, of which the results are made.
    """

    def __init__(self, reads: Iterable[Path] = ()) -> None:
        self._reads = tuple(reads)
        self._staged: dict[Path, Path] = {}
        self._rooms: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        for room in self._rooms:
            shutil.rmtree(room, ignore_errors=True)
        for temporary in self._staged.values():
            temporary.unlink(missing_ok=True)
        for folder in reversed(self._made):
            with suppress(OSError):  # another process has written into it since, or removed it
                folder.rmdir()

    def add(self, final: Path) -> Path:
        """Reserve `final` and return the temporary file (empty, in the same folder) to write instead. Folders are made as needed.

        Raises OutputError when that is not possible, so reserve before long work.
        """
        with _clear(final):
            self._require_unread(final)
            if final.is_dir():
                raise IsADirectoryError(None, "there is a folder of that name")
            if is_special(final):
                raise FileExistsError(None, "it is a device or a pipe, which a file would replace")
            if not is_utf8(final):
                raise OSError(None, "the name is not UTF-8 in this locale, and LiteRT takes no other")
            if os.path.realpath(final) in map(os.path.realpath, self._staged):
                raise FileExistsError(None, "another result has that name")
            self._make(final.parent)
            temporary = _temporary(final)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._staged[final] = temporary
        return temporary

    def add_named(self, final: Path, *, folder: str = "") -> Path:
        """Reserve `final` for a library that writes it by itself and looks at its name: the path to give it has the same name, in a
        temporary folder, and does not exist yet.

        `folder`: it becomes a folder, and one that stands there already is replaced if it is empty or holds a file of this name. Raises
        OutputError.
        """
        with _clear(final):
            self._require_unread(final)
            if final.is_dir() and not folder:
                raise IsADirectoryError(None, "there is a folder of that name")
            if folder and final.exists() and not final.is_dir():
                raise NotADirectoryError(None, "there is a file of that name")
            if final.is_dir() and any(final.iterdir()) and not (final / folder).exists():
                raise FileExistsError(None, f"there is a folder of that name with something else in it than {folder}")
            self._make(final.parent)
            room = _temporary(final)
            room.mkdir()
            self._rooms.append(room)
            self._staged[final] = room / final.name
        return self._staged[final]

    def temporary(self, final: Path) -> Path:
        """The temporary file of a reserved `final`."""
        return self._staged[final]

    def release(self, final: Path) -> None:
        """Give up a reserved file: nothing will be written there."""
        self._staged.pop(final).unlink(missing_ok=True)

    @contextmanager
    def open(self, final: Path) -> Iterator[BinaryIO]:
        """The temporary file of a reserved `final`, for writing; on the disk for good when the block ends. Raises OutputError."""
        with _clear(final), self._staged[final].open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def writing(self, final: Path) -> Iterator[Path]:
        """The temporary path of a reserved `final`, for a library that writes it in the block. Raises OutputError."""
        with _clear(final):
            yield self._staged[final]

    def commit(self) -> None:
        """Give every file its final name. Raises OutputError."""
        for final, temporary in list(self._staged.items()):
            with _clear(final):
                if temporary.is_dir() and final.is_dir():
                    os.replace(final, temporary.with_name("replaced"))
                os.replace(temporary, final)
            del self._staged[final]
        for room in self._rooms:
            shutil.rmtree(room, ignore_errors=True)
        self._made.clear()

    def _make(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            with suppress(FileExistsError):  # another process has made it since
                path.mkdir()
                self._made.append(path)
        if missing and not missing[0].is_dir():
            raise NotADirectoryError(None, f"'{missing[0]}' is no folder and cannot be made one")

    def _require_unread(self, final: Path) -> None:
        if any(final.exists() and path.exists() and final.samefile(path) for path in self._reads):
            raise OutputError(f"'{final}' is an input, which a result would overwrite", advice="Give the result another name.")


def _temporary(final: Path) -> Path:
    return final.with_name(f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else path.stat().st_size


def write_file(path: Path, content: bytes, reads: Iterable[Path] = ()) -> None:
    """Write one file, whole or not at all, and not in the place of one in `reads`. Raises OutputError."""
    with Staging(reads) as staging:
        staging.add(path)
        with staging.open(path) as file:
            file.write(content)
        staging.commit()


@contextmanager
def _clear(path: Path) -> Iterator[None]:
    """Turn an OSError into an OutputError that names the file the user asked for."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror or error}",
                          advice="Choose a folder that exists or can be made, is writable and has space (-o DIR).") from error
