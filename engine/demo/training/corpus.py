"""The training set: scenes drawn once and kept as an array on disk; captions are drawn anew for every epoch."""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.demo.training.captions import caption
from engine.demo.training.glyphs import Glyphs
from engine.demo.training.scenes import CANVAS, Scene, coverage, draw_scene, sample_scene
from engine.demo.vocabulary import Kind

FACTOR = 8  # pixels of a latent cell
CELLS = CANVAS // FACTOR
CHUNK = 250

Pictures = npt.NDArray[np.uint8]


class OtherCorpus(Exception):
    """The folder's scenes are not those that were asked for. `str()` says so."""


@dataclass(frozen=True)
class Corpus:
    """`size` scenes of a seed. `pictures` [size, CANVAS, CANVAS, 3], `masks` [size, CELLS, CELLS], uint8."""

    folder: Path
    seed: int
    size: int
    kinds: tuple[Kind, ...]

    @cached_property
    def pictures(self) -> Pictures:
        pictures: Pictures = np.load(self.folder / "pictures.npy", mmap_mode="r")
        return pictures

    @cached_property
    def masks(self) -> Pictures:
        masks: Pictures = np.load(self.folder / "masks.npy", mmap_mode="r")
        return masks

    @cached_property
    def scenes(self) -> list[Scene]:
        return [self.scene(number) for number in range(self.size)]

    def scene(self, number: int) -> Scene:
        return sample_scene(self._random(number), self.kinds)

    def caption(self, number: int, epoch: int) -> str:
        return caption(self.scenes[number], np.random.default_rng([self.seed, number, 1 + epoch]))

    def chances(self, count: int) -> npt.NDArray[np.float64]:
        """How likely a training step takes each of the first `count` scenes; together one."""
        weights = np.array([self.scenes[number].weight for number in range(count)])
        chances: npt.NDArray[np.float64] = weights / weights.sum()
        return chances

    def draw(self, number: int, glyphs: Glyphs) -> tuple[Pictures, Pictures]:
        """Picture and mask of one scene."""
        random = self._random(number)
        scene = sample_scene(random, self.kinds)
        picture = draw_scene(scene, glyphs, random)
        mask = coverage(scene, glyphs).resize((CELLS, CELLS), Image.Resampling.BOX)
        return np.asarray(picture), np.asarray(mask)

    def _random(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number])


def make_corpus(folder: Path, *, seed: int, size: int, kinds: Sequence[Kind], processes: int) -> Corpus:
    """Draw the scenes that are not there yet: about 10 ms each. Raises FontMissing, OtherCorpus."""
    corpus = Corpus(folder, seed, size, tuple(kinds))
    said, about = {"seed": seed, "size": size, "kinds": [kind.name for kind in kinds]}, folder / "corpus.json"
    if about.exists() and json.loads(about.read_text()) != said:
        raise OtherCorpus(f"{folder} holds scenes of another seed, size or kinds: take another folder.")
    if (folder / "masks.npy").exists():
        return corpus
    folder.mkdir(parents=True, exist_ok=True)
    about.write_text(json.dumps(said))
    pictures = np.lib.format.open_memmap(
        folder / "pictures.npy", mode="w+", dtype=np.uint8, shape=(size, CANVAS, CANVAS, 3)
    )
    masks = np.zeros((size, CELLS, CELLS), np.uint8)
    chunks = [range(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK)]
    with ProcessPoolExecutor(processes) as pool:
        for chunk, drawn in zip(chunks, pool.map(_draw_chunk, [corpus] * len(chunks), chunks), strict=True):
            for number, (picture, mask) in zip(chunk, drawn, strict=True):
                pictures[number], masks[number] = picture, mask
    pictures.flush()
    np.save(folder / "masks.npy", masks)  # last: it says that all is there
    return corpus


def _draw_chunk(corpus: Corpus, numbers: range) -> list[tuple[Pictures, Pictures]]:
    glyphs = Glyphs()
    return [corpus.draw(number, glyphs) for number in numbers]
