"""The folders of what is added to a model: LoRAs, embeddings, VAEs, and face restorers. Names, never paths. No torch.

An adapter is a file NAME.safetensors directly in the folder of its kind. Blocking: call from a thread.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.models.checkpoint import SUFFIX
from engine.models.detection import Kind, detect
from engine.models.fault import Missing, NotAModel, Unsafe, WrongKind
from engine.models.header import read_header
from engine.models.item import Item
from engine.models.place import check_place
from engine.models.registry import NAME_PATTERN, PICKLES

log = logging.getLogger(__name__)

MANY_PICKLES: Final = (*PICKLES, ".bin")  # as embeddings and old VAEs are passed around


class AdapterFolder:
    """The adapters of one `kind` under `root`, looked up anew at each call: one may be added at any time."""

    def __init__(self, root: Path, kind: Kind) -> None:
        self.root = root
        self.kind = kind
        self._checked: dict[str, tuple[tuple[int, int], NotAModel | None]] = {}

    def names(self) -> tuple[str, ...]:
        """Those that can be used, by name. Why another one cannot is logged once."""
        return tuple(item.name for item in self.items() if item.fault is None)

    def items(self) -> Iterator[Item]:
        """All that may be meant as one; a pickle keeps its whole name."""
        for place in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if place.suffix in (SUFFIX, *MANY_PICKLES) and not place.name.startswith("."):
                name = place.stem if place.suffix == SUFFIX else place.name
                fault = self._fault(name, place)
                weights = () if fault else (place,)
                yield Item(name=name, kind=self.kind, place=place, weights=weights, fault=fault)

    def find(self, name: str) -> Path:
        """The file of an adapter. Raises NotAModel, also for whatever looks like a path."""
        for item in self.items():
            if item.name == name:
                if item.fault is not None:
                    raise item.fault
                return item.place
        raise Missing("it is not there")

    def _fault(self, name: str, place: Path) -> NotAModel | None:
        """What speaks against a file, read again only when its size or time changed."""
        try:
            status = place.stat()
        except OSError:
            return Missing("it is not there")
        mark = (status.st_size, status.st_mtime_ns)
        known = self._checked.get(place.name)
        if known is None or known[0] != mark:
            known = self._checked[place.name] = (mark, self._look(name, place))
            if known[1] is not None:
                log.warning("%s %s is not offered: %s", self.kind.removeprefix("a "), name, known[1])
        return known[1]

    def _look(self, name: str, place: Path) -> NotAModel | None:
        try:
            self.check(name, place)
        except NotAModel as fault:
            return fault
        return None

    def check(self, name: str, place: Path) -> None:
        """Raises NotAModel where the file is not one of this folder's kind, or lies elsewhere."""
        self.check_name(name)
        check_place(place, self.root)
        if place.suffix != SUFFIX:
            raise Unsafe(f"it is a pickle: make a {SUFFIX} of it with: darkroom models convert {place.name}")
        if (found := detect(read_header(place)).kind) is not self.kind:
            raise WrongKind(f"it is {found}, not {self.kind}")

    @staticmethod
    def check_name(name: str) -> None:
        """Raises WrongKind."""
        if not re.fullmatch(NAME_PATTERN, name):
            raise WrongKind("its name has characters other than letters, digits, space, '.', '_' and '-'")


@dataclass(frozen=True, kw_only=True)
class AdapterNames:
    """The usable adapters of an engine, each kind by name."""

    loras: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()
    faces: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AdapterFolders:
    """The folders of an engine; it need not have one for faces."""

    loras: AdapterFolder
    embeddings: AdapterFolder
    vaes: AdapterFolder
    faces: AdapterFolder | None = None

    @classmethod
    def of(cls, *, loras: Path, embeddings: Path, vaes: Path, faces: Path | None = None) -> "AdapterFolders":
        return cls(
            loras=AdapterFolder(loras, Kind.LORA),
            embeddings=AdapterFolder(embeddings, Kind.EMBEDDING),
            vaes=AdapterFolder(vaes, Kind.VAE),
            faces=None if faces is None else AdapterFolder(faces, Kind.FACE),
        )

    def names(self) -> AdapterNames:
        """What can be used now."""
        return AdapterNames(
            loras=self.loras.names(),
            embeddings=self.embeddings.names(),
            vaes=self.vaes.names(),
            faces=() if self.faces is None else self.faces.names(),
        )
