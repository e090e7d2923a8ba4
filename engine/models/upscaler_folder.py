"""The upscalers of this engine: `.safetensors` files of one folder, by name. No torch. Blocking: call from a thread."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine import upscalers
from engine.models.checkpoint import SUFFIX
from engine.models.detection import Kind, detect
from engine.models.fault import NotAModel, Unsafe, WrongKind
from engine.models.header import read_header
from engine.models.item import Item
from engine.models.place import check_place
from engine.models.registry import NAME_PATTERN, PICKLES

AN_UPSCALER: Final = "an upscaler"

log = logging.getLogger(__name__)


class UpscalerFolder:
    """Looked up anew at each call: an upscaler may be added while the engine runs. The folder need not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._told: set[tuple[str, str]] = set()

    def names(self) -> tuple[str, ...]:
        """What may be an upscaler, by name: its header is whole, and of nothing else that we know.

        Whether it is one the worker finds out. The log says once what is not offered.
        """
        names = []
        for item in self.items():
            if item.fault is None:
                names.append(item.name)
            else:
                self._tell(item.place.name, str(item.fault))
        return tuple(names)

    def items(self) -> Iterator[Item]:
        """All that may be meant as one; a pickle keeps its whole name."""
        for place in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if place.suffix in (SUFFIX, *PICKLES) and not place.name.startswith("."):
                name = place.stem if place.suffix == SUFFIX else place.name
                fault = self._fault(place)
                weights = () if fault else (place,)
                yield Item(name=name, kind=AN_UPSCALER, place=place, weights=weights, fault=fault)

    def lookup(self, name: str) -> Path:
        """The file of an upscaler. Raises Refusal unknown_upscaler, also for whatever looks like a path."""
        upscalers.check(name, self.names(), field="upscaler")
        return self.root / f"{name}{SUFFIX}"

    def _fault(self, path: Path) -> NotAModel | None:
        try:
            self._check(path)
        except NotAModel as fault:
            return fault
        return None

    def _check(self, path: Path) -> None:
        if path.suffix != SUFFIX:
            raise Unsafe(f"it is a pickle: make a safetensors of it with: darkroom models convert {path}")
        if not re.fullmatch(NAME_PATTERN, path.stem) or path.stem in upscalers.BUILT_IN:
            raise WrongKind(
                "its name is taken, or has characters other than letters, digits, space, '.', '_', '-'"
            )
        check_place(path, self.root)
        if (kind := detect(read_header(path)).kind) is not Kind.UNKNOWN:
            raise WrongKind(f"it is {kind}, not {AN_UPSCALER}")

    def _tell(self, name: str, reason: str) -> None:
        if (name, reason) not in self._told:
            self._told.add((name, reason))
            log.warning("upscaler %s is not offered: %s", name, reason)
