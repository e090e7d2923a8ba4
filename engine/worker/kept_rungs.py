"""The rungs of the ladder that each model and size ended on, kept in a hidden file of the models' folder."""

from pathlib import Path
from typing import Any

from engine.models.notes import read_notes, write_notes
from engine.worker.ladder import NONE, Rung, Rungs

FILE = ".memory.json"


class KeptRungs:
    """For one device, named in words: another one has other memory. Without a folder nothing is kept.

    The file may be removed at any time: then everything is tried from the first rung again.
    """

    def __init__(self, folder: Path | None = None, device: str = "") -> None:
        self._file = None if folder is None else folder / FILE
        self._device = device

    def of(self, model_hash: str, size: tuple[int, int]) -> Rungs:
        """What was noted; no rung where nothing was, or nothing that makes sense."""
        noted = self._noted().get(self._device)
        names = noted.get(_key(model_hash, size)) if isinstance(noted, dict) else None
        known = {rung.value: rung for rung in Rung}
        return frozenset(known[name] for name in names if name in known) if isinstance(names, list) else NONE

    def note(self, model_hash: str, size: tuple[int, int], rungs: Rungs) -> None:
        if self._file is None:
            return
        noted = self._noted()
        mine = noted.get(self._device)
        mine = (mine if isinstance(mine, dict) else {}) | {_key(model_hash, size): sorted(rungs)}
        write_notes(self._file, noted | {self._device: mine})

    def _noted(self) -> dict[str, Any]:
        return {} if self._file is None else read_notes(self._file)


def _key(model_hash: str, size: tuple[int, int]) -> str:
    return f"{model_hash} {size[0]}x{size[1]}"
