"""The models folder as an operator keeps it: what is in it, what comes in, what goes. No torch."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import EngineError
from engine.models.card import card_file
from engine.models.checkpoint import SUFFIX, read_checkpoint
from engine.models.collection import Collection, Folder
from engine.models.detection import Kind, detect
from engine.models.digests import Digests
from engine.models.fault import Missing, Unsafe, WrongKind
from engine.models.header import read_header
from engine.models.item import Item
from engine.models.layout import read_layout, weight_files
from engine.models.own_pipeline import is_own_pipeline, read_own_pipeline, weights
from engine.models.publishing import put_in, take_out
from engine.models.quantised import GGUF
from engine.models.registry import PICKLES, Entry, Registry

HEADINGS = ("NAME", "FAMILY", "KIND", "PREDICTS", "SIZE", "SHA-256", "USABLE")
SHOWN_DIGITS = 10  # of a digest: as many as the infotext has
FOLDER, FILE = "folder", "file"
MODEL, CONTROL, UPSCALER = "model", "control", "upscaler"
KINDS = {  # as a command names them, by what a file is
    Kind.LORA: "lora",
    Kind.EMBEDDING: "embedding",
    Kind.VAE: "vae",
    Kind.FACE: "face",
    Kind.CONTROLNET: CONTROL,
    Kind.IP_ADAPTER: CONTROL,
}


class Ambiguous(EngineError):
    """More than one thing has a name. `str()` says how to tell which is meant."""

    exit_code = os.EX_USAGE

    def __init__(self, name: str, kinds: Sequence[str]) -> None:
        listed, options = " and ".join(kinds), " or ".join(f"--kind {kind}" for kind in kinds)
        super().__init__(f"{name} is the name of {listed}: say which with {options}.")


class Inventory:
    """Names are those that `table` shows; a path is never one. `beside` are the other folders, by `--kind`.

    Two kinds may have the same name. What is meant is told by `kind`, where it must be.
    """

    def __init__(self, root: Path, beside: Mapping[str, Folder] | None = None) -> None:
        self.root = root
        self._beside = {kind: Collection(folder) for kind, folder in (beside or {}).items()}
        self._digests = Digests(root)

    def table(self) -> list[str]:
        """A line for each model and each file that may be meant as one, under headings."""
        rows = [self._row(entry) for entry in Registry(self.root).entries()]
        rows += [_item_row(item) for collection in self._beside.values() for item in collection.items()]
        if not rows:
            return [f"There are no models in {self.root}: the engine draws with its demo."]
        return list(_aligned([HEADINGS, *rows]))

    def add(self, file: Path, kind: str = "") -> str:
        """Verify a file and link or copy it into the folder of its kind, whole or not at all; returns what it is now.

        An upscaler's file does not tell that it is one: `kind` has to. Raises NotAModel and FileExistsError.
        """
        if not file.exists():
            raise Missing("it is not there")
        file = file if file.name not in ("", "..") else file.resolve()
        if file.name.startswith("."):
            raise WrongKind("its name begins with a dot, and what is hidden is not looked at")
        kind = _kind_of(file, kind)
        if (collection := self._beside.get(kind)) is not None:
            item = collection.add(file)
            return f"{item.name} is {item.kind} now, in {collection.root}."
        read_checkpoint(file)
        if (self.root / file.stem).exists():
            raise FileExistsError(file.stem)
        place = put_in(file, self.root)
        fault = next(entry.fault for entry in Registry(self.root).entries() if entry.place == place)
        if fault is not None:  # its name, for instance
            take_out(place)
            raise fault
        return f"{file.stem} is a model now."

    def check(self, name: str, kind: str = "") -> list[str]:
        """Read all of what has this name; returns what was found, in sentences.

        Raises NotAModel, also where the bytes changed though neither size nor time did, and Ambiguous.
        """
        if (collection := self._collection(name, kind)) is not None:
            return collection.check(name)
        entry = self._entry(name)
        if entry.fault is not None:
            raise entry.fault
        if entry.place.suffix == GGUF:
            return [f"{name} is whole: {_size(entry.place)}.", f"SHA-256: {self._digests.check(entry.place)}"]
        if entry.checkpoint is None:
            count = len(self._weights(entry.place))
            return [f"{name} is whole: {count} files of weights, {_size(entry.place)}."]
        return [
            f"{name} is whole: {len(entry.checkpoint.header.shapes)} tensors, {_size(entry.place)}.",
            f"SHA-256: {self._digests.check(entry.place)}",
            f"It predicts {entry.checkpoint.told}.",
        ]

    def place(self, name: str, kind: str = "") -> Path:
        """The folder or file behind a name. Raises Missing and Ambiguous."""
        collection = self._collection(name, kind)
        return self._entry(name).place if collection is None else collection.item(name).place

    def remove(self, name: str, kind: str = "") -> None:
        """Remove what has this name, usable or not, with its card and its digest. Raises Missing and Ambiguous."""
        if (collection := self._collection(name, kind)) is not None:
            collection.remove(name)
            return
        place = self._entry(name).place
        if not place.is_dir():
            card_file(place).unlink(missing_ok=True)
        take_out(place)
        self._digests.forget(place.name)

    def _collection(self, name: str, kind: str) -> Collection | None:
        """Where a name is, None among the models. Raises Missing and Ambiguous."""
        names = {MODEL: [entry.name for entry in Registry(self.root).entries()]}
        names |= {word: [item.name for item in each.items()] for word, each in self._beside.items()}
        having = [word for word in names if name in names[word] and kind in ("", word)]
        if not having:
            raise Missing(f"there is no {kind or MODEL} of this name; darkroom models list has them all")
        if len(having) > 1:
            raise Ambiguous(name, having)
        return self._beside.get(having[0])

    def _entry(self, name: str) -> Entry:
        return next(entry for entry in Registry(self.root).entries() if entry.name == name)

    def _weights(self, folder: Path) -> list[Path]:
        """All files of weights of a usable folder."""
        if is_own_pipeline(folder):
            return weights(folder, read_own_pipeline(folder))
        return [path for part in read_layout(folder).parts for path in weight_files(folder, part)[1]]

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


def _item_row(item: Item) -> tuple[str, ...]:
    kind, usable = item.kind.split()[-1], "yes" if item.fault is None else f"no: {item.fault}"
    digest = Digests(item.weights[0].parent).known(item.weights[0]) if item.weights else None
    shown = digest[:SHOWN_DIGITS] if digest else "-"
    return item.name, item.family or "-", kind, "-", _size(item.place), shown, usable


def _kind_of(file: Path, told: str) -> str:
    """What a file is, unless it was `told`. Raises NotAModel where it can be none of them."""
    if file.is_dir():
        if told in ("", CONTROL) and (file / "config.json").is_file():
            return CONTROL
        raise WrongKind("it is a folder: move it into the models folder yourself")
    if file.suffix in PICKLES:
        raise Unsafe(f"it is a pickle: make a model of it with: darkroom models convert {file}")
    if file.suffix != SUFFIX:
        raise WrongKind(f"it does not end in {SUFFIX}")
    found = detect(read_header(file)).kind
    if not told and found is Kind.UNKNOWN:
        raise WrongKind(
            f"it holds no model of a family that Darkroom knows; an upscaler is added with --kind {UPSCALER}"
        )
    return told or KINDS.get(found, MODEL)


def _size(place: Path) -> str:
    paths = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    return f"{size / 10**9:.2f} GB" if size >= 10**9 else f"{size / 10**6:.1f} MB"


def _aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    # A stranger's file name must not write to the terminal what it likes.
    table = [["".join(c if c.isprintable() else "\ufffd" for c in cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]])
