"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nchw2nhwc.errors import OutputError


class Staging:
    """Files that are written under temporary names beside their final ones and take those names together, on `commit`.

    Leaving the `with` block without a commit removes the temporary files and the folders that were made for them; what stood at a final
    name before stays as it was.
    """

    def __init__(self) -> None:
        self._staged: dict[Path, Path] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        for temporary in self._staged.values():
            temporary.unlink(missing_ok=True)
        for folder in reversed(self._made):
            if not any(folder.iterdir()):
                folder.rmdir()

    def add(self, final: Path) -> Path:
        """Reserve `final` and return the temporary file (empty, in the same folder) to write instead. Folders are made as needed.

        Raises OutputError when that is not possible, so reserve before long work.
        """
        with _clear(final):
            if final.is_dir():
                raise IsADirectoryError(None, "there is a folder of that name")
            self._make(final.parent)
            temporary = final.with_name(f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._staged[final] = temporary
        return temporary

    def temporary(self, final: Path) -> Path:
        """The temporary file of a reserved `final`."""
        return self._staged[final]

    @contextmanager
    def open(self, final: Path) -> Iterator[BinaryIO]:
        """The temporary file of a reserved `final`, for writing; on the disk for good when the block ends. Raises OutputError."""
        with _clear(final), self._staged[final].open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def commit(self) -> None:
        """Give every file its final name. Raises OutputError."""
        for final, temporary in list(self._staged.items()):
            with _clear(final):
                os.replace(temporary, final)
            del self._staged[final]
        self._made.clear()

    def _make(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir()
            self._made.append(path)


def write_file(path: Path, content: bytes) -> None:
    """Write one file, whole or not at all. Raises OutputError."""
    with Staging() as staging:
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
