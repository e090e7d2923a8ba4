"""A folder beside that of the models, as an operator keeps it: what is in it, what comes in, what goes. No torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.models.checkpoint import SUFFIX
from engine.models.digests import Digests
from engine.models.fault import Missing, WrongKind
from engine.models.item import Item
from engine.models.publishing import put_in, take_out


class Folder(Protocol):
    """What is in a folder, looked up anew at each call."""

    @property
    def root(self) -> Path: ...
    def items(self) -> Iterator[Item]: ...


class Collection:
    """Names are those of the folder's items; a path is never one."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @property
    def root(self) -> Path:
        return self._folder.root

    def items(self) -> list[Item]:
        """All that may be meant as one, usable or not."""
        return list(self._folder.items())

    def item(self, name: str) -> Item:
        """Raises Missing."""
        for item in self._folder.items():
            if item.name == name:
                return item
        raise Missing("it is not there")

    def check(self, name: str) -> list[str]:
        """Read all of an item's weights; returns what was found, in sentences. Raises NotAModel."""
        item = self.item(name)
        if item.fault is not None:
            raise item.fault
        digests = {file: Digests(file.parent).check(file) for file in item.weights}
        said = [f"{name} is whole: {item.kind}{f' for {item.family}' if item.family else ''}."]
        return said + [f"SHA-256 of {file.name}: {digest}" for file, digest in digests.items()]

    def add(self, source: Path) -> Item:
        """Link or copy a file or a folder into this one, whole or not at all.

        Raises FileExistsError where there is something of its name, and NotAModel where it cannot be used.
        """
        name = source.name.removesuffix(SUFFIX)
        if any(item.name == name for item in self.items()):
            raise FileExistsError(source.name)
        place = put_in(source, self.root)
        try:
            item = next((item for item in self.items() if item.place == place), None)
            if item is None:
                raise WrongKind("it is nothing that lies in that folder")
            if item.fault is not None:  # of its name, for instance
                raise item.fault
        except BaseException:
            take_out(place)
            raise
        return item

    def remove(self, name: str) -> None:
        """Remove an item and what is noted of it. Raises Missing."""
        place = self.item(name).place
        take_out(place)
        Digests(self.root).forget(place.name)
