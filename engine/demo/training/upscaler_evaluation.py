"""How much nearer to the truth the ×4 upscaler's pictures are than Lanczos's, on scenes that it never saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.demo.training.captions import caption
from engine.demo.training.drawing import Drawer, Upscaler
from engine.demo.training.glyphs import Glyphs
from engine.demo.training.scenes import cut, draw_scene, sample_scene
from engine.demo.vocabulary import Kind
from engine.wire import UPSCALE_FACTOR

SEED = 40_001  # of the scenes; the training's are others
SHOWN = (  # prompts, and the middle of what is shown of each picture, as shares of its sides
    ("a hamster with a brush", (0.45, 0.45)),
    ("a cat in a hat on a blue background", (0.5, 0.45)),
    ("a pencil sketch of a castle", (0.5, 0.5)),
    ("a neon sign of a fox", (0.5, 0.5)),
)
PART, QUALITY = 256, 85  # pixels of a picture that are shown, four times as large as they were

Pixels = npt.NDArray[np.uint8]
Enlarge = Callable[[Image.Image, str, int], Pixels]  # a picture, what is in it, and a seed


@dataclass(frozen=True)
class Nearness:
    """Of enlarged pictures to the truth, averaged over them.

    `psnr` in dB; `edges` the mean error of the differences between neighbours, and `colour` that of a picture's mean
    colour, both in steps of 256.
    """

    psnr: float
    edges: float
    colour: float


def nearness(enlarged: Pixels, truth: Pixels) -> Nearness:
    """Of one picture [h, w, 3] to another."""
    ours, theirs = enlarged.astype(np.float64), truth.astype(np.float64)
    edges = [np.abs(np.diff(ours, axis=axis) - np.diff(theirs, axis=axis)).mean() for axis in (0, 1)]
    return Nearness(
        psnr=float(10 * np.log10(255**2 / np.square(ours - theirs).mean().clip(1e-9))),
        edges=float(np.mean(edges)),
        colour=float(np.abs(ours.mean(axis=(0, 1)) - theirs.mean(axis=(0, 1))).mean()),
    )


def evaluate_upscaler(enlarge: Enlarge, kinds: Sequence[Kind], count: int) -> Nearness:
    """The mean of `count` held-out scenes, made a quarter as wide and high by averaging, and enlarged again."""
    random, glyphs, found = np.random.default_rng(SEED), Glyphs(), []
    for seed in range(count):
        scene = sample_scene(random, kinds, held_out=True)
        truth = cut(draw_scene(scene, glyphs, random), random)
        enlarged = enlarge(truth.reduce(UPSCALE_FACTOR), caption(scene, random), seed)
        found.append(nearness(enlarged, np.asarray(truth)))
    means = np.mean([[each.psnr, each.edges, each.colour] for each in found], axis=0)
    return Nearness(*means.tolist())


def lanczos(picture: Image.Image, _prompt: str = "", _seed: int = 0) -> Pixels:
    """The picture four times as large by what needs no model."""
    size = (picture.width * UPSCALE_FACTOR, picture.height * UPSCALE_FACTOR)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def draw_comparison(drawer: Drawer, upscaler: Upscaler, file: Path) -> None:
    """Write a JPEG of parts of the demo's pictures: above by Lanczos, below by the upscaler."""
    sheet = Image.new("RGB", (len(SHOWN) * PART, 2 * PART))
    pictures = drawer.draw([(prompt, 7) for prompt, _ in SHOWN])
    for column, ((prompt, middle), pixels) in enumerate(zip(SHOWN, pictures, strict=True)):
        picture = Image.fromarray(pixels)
        ways: tuple[Enlarge, ...] = (lanczos, upscaler.enlarge)
        for row, enlarge in enumerate(ways):
            large = Image.fromarray(enlarge(picture, prompt, 7))
            left, top = (round(share * large.width - PART / 2) for share in middle)
            part = large.crop((left, top, left + PART, top + PART))
            sheet.paste(part, (column * PART, row * PART))
    sheet.save(file, quality=QUALITY)
