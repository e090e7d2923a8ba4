"""The models folder as an operator keeps it: what is in it, what comes in, what goes. No torch."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from engine.models.card import card_file
from engine.models.checkpoint import SUFFIX, read_checkpoint
from engine.models.digests import Digests
from engine.models.fault import Corrupt, Missing, NotAModel, Unsafe, WrongKind
from engine.models.header import read_header
from engine.models.layout import read_layout
from engine.models.publishing import publish
from engine.models.registry import PICKLES, Entry, Registry, weight_files

HEADINGS = ("NAME", "FAMILY", "KIND", "PREDICTS", "SIZE", "SHA-256", "USABLE")
SHOWN_DIGITS = 10  # of a digest: as many as the infotext has
FOLDER, FILE = "folder", "file"


class Inventory:
    """Names are those that `table` shows; a path is never one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._digests = Digests(root)

    def table(self) -> list[str]:
        """A line for each model and each file that may be meant as one, under headings."""
        rows = [self._row(entry) for entry in Registry(self._root).entries()]
        if not rows:
            return [f"There are no models in {self._root}: the engine draws with its demo."]
        return list(_aligned([HEADINGS, *rows]))

    def add(self, file: Path) -> str:
        """Verify a checkpoint and link or copy it into the folder, whole or not at all; returns its name.

        Raises NotAModel and FileExistsError.
        """
        if file.is_dir():
            raise WrongKind("it is a folder: move it into the models folder yourself")
        if file.suffix in PICKLES:
            raise Unsafe(f"it is a pickle: make a model of it with: darkroom models convert {file}")
        if file.suffix != SUFFIX:
            raise WrongKind(f"it does not end in {SUFFIX}")
        read_checkpoint(file)
        self._root.mkdir(parents=True, exist_ok=True)
        if (self._root / file.stem).exists():
            raise FileExistsError(file.stem)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".adding-") as aside:
            copy = Path(aside) / file.name
            _link_or_copy(file.resolve(), copy)
            read_header(copy)  # the whole of it arrived
            publish(copy, self._root / file.name)
        fault = self._entry(file.stem).fault
        if fault is not None:  # its name, for instance
            (self._root / file.name).unlink()
            raise fault
        return file.stem

    def check(self, name: str) -> list[str]:
        """Read all of a model's weights; returns what was found, in sentences.

        Raises NotAModel, also where the bytes changed though neither size nor time did.
        """
        entry = self._entry(name)
        if entry.fault is not None:
            raise entry.fault
        if entry.checkpoint is None:
            parts = read_layout(entry.place).parts
            count = sum(len(self._check_part(entry.place, part)) for part in parts)
            return [f"{name} is whole: {count} files of weights, {_size(entry.place)}."]
        known, digest = self._digests.known(entry.place), self._digests.read(entry.place)
        if known not in (None, digest):
            raise Corrupt("its bytes changed, though nobody wrote it: the disk may be failing")
        return [
            f"{name} is whole: {len(entry.checkpoint.header.shapes)} tensors, {_size(entry.place)}.",
            f"SHA-256: {digest}",
            f"It predicts {entry.checkpoint.told}.",
        ]

    def place(self, name: str) -> Path:
        """The folder or file behind a name. Raises Missing."""
        return self._entry(name).place

    def remove(self, name: str) -> None:
        """Remove a model or a file that cannot be one, with its card. Raises Missing."""
        place = self._entry(name).place
        if place.is_dir() and not place.is_symlink():
            with tempfile.TemporaryDirectory(dir=self._root, prefix=".removing-") as aside:
                place.rename(Path(aside) / "model")  # gone at once, and never half
            return
        if not place.is_dir():
            card_file(place).unlink(missing_ok=True)
        place.unlink()

    def _entry(self, name: str) -> Entry:
        for entry in Registry(self._root).entries():
            if entry.name == name:
                return entry
        raise Missing("there is no model of this name; darkroom models list has them all")

    def _check_part(self, folder: Path, part: str) -> Sequence[Path]:
        paths = weight_files(folder, part)[1]
        for path in paths:
            try:
                read_header(path)
            except NotAModel as fault:
                raise type(fault)(f"its {part} cannot be used: {fault}") from None
        return paths

    def _row(self, entry: Entry) -> tuple[str, ...]:
        is_file = entry.place.is_file()
        digest = self._digests.known(entry.place) if is_file else None
        return (
            entry.name,
            entry.info.family if entry.info else "-",
            FILE if is_file else FOLDER,
            entry.checkpoint.told if entry.checkpoint else "-",
            _size(entry.place),
            digest[:SHOWN_DIGITS] if digest else "-",
            "yes" if entry.fault is None else f"no: {entry.fault}",
        )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _size(place: Path) -> str:
    paths = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    return f"{size / 10**9:.2f} GB" if size >= 10**9 else f"{size / 10**6:.1f} MB"


def _aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]])
