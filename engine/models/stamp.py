"""Whether a model's files are still those that were loaded. No torch, no file read."""

from collections.abc import Callable, Hashable
from pathlib import Path

from engine.models.card import card_file


class Stamps:
    """A model's stamp changes when one of its files does. `lookup` gives its folder or file, and may raise Refusal."""

    def __init__(self, lookup: Callable[[str], Path]) -> None:
        self._lookup = lookup
        self._places: dict[str, Path] = {}  # looking a model up reads the headers of all

    def __call__(self, name: str) -> Hashable:
        """Names, sizes in bytes and times of change of all its files. Raises Refusal, or OSError where it is gone."""
        place = self._places.get(name)
        if place is None or not place.exists():
            place = self._places[name] = self._lookup(name)
        files = sorted(place.rglob("*")) if place.is_dir() else [place, card_file(place)]
        states = [(file.name, file.stat()) for file in files if file.is_file()]
        return tuple((file, state.st_size, state.st_mtime_ns) for file, state in states)
