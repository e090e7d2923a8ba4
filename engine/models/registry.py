"""The models of this engine: their names, and the folders and files behind them. No torch.

A model is a subfolder of the models folder in diffusers' layout, with a `model_index.json` of a class that
`engine/models/layout.py` or `engine/models/own_pipeline.py` names, or a single `.safetensors` file with a whole
checkpoint.
What a person may choose of one is in `engine/models/model_info.py`. Blocking: call from a thread.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Refusal
from engine.models.checkpoint import SUFFIX, Checkpoint, read_checkpoint
from engine.models.companions import Companions
from engine.models.fault import NotAModel, Unsafe, WrongKind
from engine.models.model_info import info_of_file, info_of_folder, info_of_pipeline
from engine.models.place import check_place, has
from engine.models.quantised import GGUF, read_quantised
from engine.wire import ModelInfo, Task

log = logging.getLogger(__name__)

DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "model"
SHIPPED = {"demo": DEMO_FOLDER, "demo-x4": DEMO_FOLDER.with_name("upscaler")}  # by name
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._ -]{0,127}"
PICKLES = (".ckpt", ".pt", ".pth")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something in the models folder that is a model, as `info` has it, or may be meant as one, but for a `fault`.

    Its name is that of the folder, or of the file without `.safetensors`; a pickle keeps its whole name.
    """

    name: str
    place: Path
    info: ModelInfo | None = None
    checkpoint: Checkpoint | None = None
    fault: NotAModel | None = None


class Registry:
    """The models under `root`, looked up anew at each call: a model may be added while the engine runs.

    `shipped` are the folders of the models that ship with Darkroom, by name, and `companions` what looks at pictures
    beside the models.
    """

    def __init__(
        self,
        root: Path,
        *,
        shipped: Mapping[str, Path] = SHIPPED,
        companions: Companions | None = None,
    ) -> None:
        self._root = root
        self._companions = companions
        self._shipped = shipped
        self._told: set[tuple[str, str]] = set()

    def models(self) -> tuple[ModelInfo, ...]:
        """What can be drawn with, by name, those first that draw from words alone: the first is the default.

        The log says once what is not usable; a `lookup`, of which the worker does many, leaves that to this.

        What ships is offered only as long as no other draws from words.
        """
        entries = self.entries()
        for entry in entries:
            if entry.fault is not None:
                self._tell(entry.name, str(entry.fault))
        found = self._usable(entries).values()
        if self._companions is None:
            return tuple(info for info, _ in found)
        return tuple(self._companions.complete(info, place) for info, place in found)

    def lookup(self, name: str) -> Path:
        """The folder or file of a model. Raises Refusal unknown_model, also for whatever looks like a path.

        Never another model in its place.
        """
        found = self._usable(self.entries())
        if name not in found:
            raise Refusal("unknown_model", f"There is no model called '{name}'.", field="model")
        return found[name][1]

    def entries(self) -> tuple[Entry, ...]:
        """All that is in the models folder, by name, with what speaks against it; hidden files are not looked at."""
        entries: dict[str, Entry] = {}
        for place in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            is_file = place.suffix in (SUFFIX, GGUF, *PICKLES) and not place.is_dir()
            if place.name.startswith(".") or not (is_file or has(place, "model_index.json")):
                continue
            name = place.stem if is_file and place.suffix in (SUFFIX, GGUF) else place.name
            if name in entries:
                fault = WrongKind("another model has this name: rename one of them")
                entries[place.name] = Entry(name=place.name, place=place, fault=fault)
            else:
                entries[name] = self._entry(name, place)
        return tuple(entry for _, entry in sorted(entries.items()))

    def _usable(self, entries: Sequence[Entry]) -> dict[str, tuple[ModelInfo, Path]]:
        """Every usable model with its place, by name: those that draw from words, an operator's others, our others."""
        usable = {entry.name: (entry.info, entry.place) for entry in entries if entry.info is not None}
        if plain := _plain(usable):
            return plain | usable
        ours = self._ours()
        return _plain(ours) | usable | {name: each for name, each in ours.items() if name not in usable}

    def _ours(self) -> dict[str, tuple[ModelInfo, Path]]:
        """What ships, by name."""
        ours = {}
        for name, folder in self._shipped.items():
            try:
                ours[name] = (info_of_folder(name, folder), folder)
            except NotAModel as fault:  # somebody changed what ships
                self._tell(name, str(fault))
        return ours

    def _tell(self, name: str, reason: str) -> None:
        """Log once why something is not offered: the folder is looked at again and again."""
        if (name, reason) not in self._told:
            self._told.add((name, reason))
            log.warning("model %s is not offered: %s", name, reason)

    def _entry(self, name: str, place: Path) -> Entry:
        try:
            self._check_place(name, place)
            if place.is_dir():
                return Entry(name=name, place=place, info=info_of_folder(name, place))
            if place.suffix == GGUF:
                quantised = read_quantised(place)
                return Entry(
                    name=name, place=place, info=info_of_pipeline(name, quantised.pipeline, quantised.card)
                )
            if place.suffix != SUFFIX:
                raise Unsafe(f"it is a pickle: make a model of it with: darkroom models convert {place.name}")
            checkpoint = read_checkpoint(place)
            return Entry(name=name, place=place, info=info_of_file(name, checkpoint), checkpoint=checkpoint)
        except NotAModel as fault:
            return Entry(name=name, place=place, fault=fault)

    def _check_place(self, name: str, place: Path) -> None:
        """Raises NotAModel where the name or place is not one that we take."""
        if not re.fullmatch(NAME_PATTERN, name):
            raise WrongKind("its name has characters other than letters, digits, space, '.', '_' and '-'")
        check_place(place, self._root)


def _plain(models: Mapping[str, tuple[ModelInfo, Path]]) -> dict[str, tuple[ModelInfo, Path]]:
    """Those that draw from words."""
    return {name: each for name, each in models.items() if Task.TXT2IMG in each[0].tasks}
