"""SHA-256 of the models' files, read once and kept in a hidden file of their folder."""

import hashlib
from pathlib import Path
from typing import Any

from engine.models.fault import Corrupt
from engine.models.notes import read_notes, write_notes

CACHE_FILE = ".digests.json"


class Digests:
    """The digests of the files in one folder. A file is read again when its size or time says that it changed."""

    def __init__(self, folder: Path) -> None:
        self._cache = folder / CACHE_FILE

    def known(self, path: Path) -> str | None:
        """The digest, if the file was read since it changed: 64 hex digits."""
        noted = read_notes(self._cache).get(path.name)
        mark = _mark(path)
        if isinstance(noted, list) and noted[:2] == mark and len(noted) == 3 and isinstance(noted[2], str):
            return noted[2]
        return None

    def of(self, path: Path) -> str:
        """The digest; reads the file where it is not known. Seconds for a large one."""
        return self.known(path) or self.read(path)

    def read(self, path: Path) -> str:
        """The digest of the file as it is now, noted for the next time."""
        mark = _mark(path)
        digest = sha256(path)
        if mark == _mark(path):  # not while somebody writes it
            self._note(path.name, [*mark, digest])
        return digest

    def check(self, path: Path) -> str:
        """The digest; reads the file in any case. Raises Corrupt where its bytes changed by themselves."""
        known, mark = self.known(path), _mark(path)
        if known is not None and known != sha256(path) and mark == _mark(path):
            raise Corrupt("its bytes changed, though nobody wrote it: the disk may be failing")
        return self.of(path)

    def forget(self, name: str) -> None:
        """Drop what is noted of a file that was removed."""
        noted = read_notes(self._cache)
        if noted.pop(name, None) is not None:
            write_notes(self._cache, noted)

    def _note(self, name: str, entry: list[Any]) -> None:
        there = {path.name for path in self._cache.parent.iterdir()}
        noted = {file: old for file, old in read_notes(self._cache).items() if file in there}
        write_notes(self._cache, noted | {name: entry})


def sha256(path: Path) -> str:
    """Of a file's content, 64 hex digits; reads all of it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mark(path: Path) -> list[int]:
    """Size in bytes and time of the last change in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
