"""How well the demo model does what it is told, on combinations that it never saw, through the engine's own step loop.

The judges are small networks trained here, separately: one on single glyphs with augmentations of their own, one on
whole scenes for the style. A background's colour is judged by the edge of the picture.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch import nn

from engine.demo.training.autoencoder import to_pixels
from engine.demo.training.backdrops import draw_backdrop
from engine.demo.training.captions import caption
from engine.demo.training.corpus import Corpus
from engine.demo.training.glyphs import Glyphs
from engine.demo.training.layouts import NORMAL
from engine.demo.training.scenes import CANVAS, PICTURE, Scene, cut, draw_scene, sample_scene
from engine.demo.training.training_run import TrainingRun
from engine.demo.vocabulary import COLOURS, PLACES, STYLES, Kind

SIDE = 64  # what the judge of things sees, in pixels; the one of styles sees all of the picture, for brush strokes
BATCH = 64
LR = 1e-3
MOVED, BESIDE = (
    26,
    132,
)  # of 2 × SIDE pixels: as far as things of a pair are from where they should be, and apart
BORDER = 10  # pixels of the edge that tell the background's colour
SOFT = 1.2  # most blur, in pixels, in which a style must still be seen
MARGIN = 1.1  # of a thing's box
SEED = 20_001  # of the prompts; the training's are others

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Share:
    """`right` of `asked`."""

    right: int
    asked: int

    def __str__(self) -> str:
        return f"{self.right} of {self.asked} ({self.right / self.asked:.1%})"


@dataclass(frozen=True)
class Judges:
    """Logits: `thing` [n, 3, 64, 64] to [n, kinds], `style` [n, 3, 256, 256] to [n, 1 + styles], none first."""

    thing: nn.Module
    style: nn.Module
    kinds: tuple[Kind, ...]

    @torch.inference_mode()
    def names(self, pictures: Sequence[Image.Image]) -> list[str]:
        return [
            self.kinds[number].name for number in self.thing(_pixels(pictures, SIDE)).argmax(dim=1).tolist()
        ]

    @torch.inference_mode()
    def styles(self, pictures: Sequence[Image.Image]) -> list[str | None]:
        return [_STYLES[number] for number in self.style(_pixels(pictures, PICTURE)).argmax(dim=1).tolist()]


_STYLES: list[str | None] = [None, *STYLES]


def train_judges(corpus: Corpus, *, folder: Path, steps: int, seed: int) -> Judges:
    """Both judges; the second learns from scenes of another seed than the model's."""
    torch.manual_seed(seed)
    glyphs = Glyphs()

    def things_at(step: int) -> tuple[torch.Tensor, list[int]]:
        random = np.random.default_rng([seed, step])
        drawn = [glyphs.draw(kind.glyph) for kind in corpus.kinds]
        labels, others = random.integers(0, len(drawn), (2, BATCH)).tolist()
        pictures = [_glyph_anywhere(drawn[n], drawn[m], random) for n, m in zip(labels, others, strict=True)]
        return _pixels(pictures, SIDE), labels

    def styles_at(step: int) -> tuple[torch.Tensor, list[int]]:
        random = np.random.default_rng([seed + 1, step])
        scenes = [_scene_in_style(random, corpus.kinds, _STYLES[n % len(_STYLES)]) for n in range(BATCH // 4)]
        drawn = [_softened(cut(draw_scene(scene, glyphs, random), random), random) for scene in scenes]
        return _pixels(drawn, PICTURE), [_STYLES.index(scene.style) for scene in scenes]

    thing = _train(_glyph_classifier(len(corpus.kinds)), things_at, folder / "judge-thing.pt", steps)
    style = _train(_texture_classifier(len(_STYLES)), styles_at, folder / "judge-style.pt", steps)
    return Judges(thing, style, corpus.kinds)


def _train(
    network: nn.Module, batch_at: Callable[[int], tuple[torch.Tensor, list[int]]], file: Path, steps: int
) -> nn.Module:
    def loss_at(step: int) -> torch.Tensor:
        pixels, labels = batch_at(step)
        return nn.functional.cross_entropy(network(pixels), torch.tensor(labels))

    return TrainingRun(network, file=file, steps=steps, lr=LR, loss_at=loss_at).run()


def _glyph_classifier(classes: int) -> nn.Module:
    layers = _halvings(3, 32, 64, 128, 192)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(192 * (SIDE // 2 ** len(layers)) ** 2, classes))


def _texture_classifier(classes: int) -> nn.Module:
    """Where something stands does not matter, only whether it is there."""
    return nn.Sequential(
        *_halvings(3, 16, 32, 64, 96), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, classes)
    )


def _halvings(*channels: int) -> list[nn.Module]:
    return [
        nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU())
        for before, after in pairwise(channels)
    ]


def _glyph_anywhere(glyph: Image.Image, neighbour: Image.Image, random: np.random.Generator) -> Image.Image:
    """A glyph turned, blurred, tinted and moved on a background of chance, SIDE pixels a side.

    It is moved as far as a picture may be cut beside the middle of its scene; in half of them something stands beside.
    """
    backdrop = str(random.choice([*COLOURS, *PLACES]))
    image = draw_backdrop(backdrop, CANVAS, random).resize((2 * SIDE, 2 * SIDE)).convert("RGBA")
    middle = SIDE + random.integers(-MOVED, MOVED + 1, 2)
    if random.random() < 0.5:
        step = np.array([[BESIDE, 0], [-BESIDE, 0], [0, BESIDE], [0, -BESIDE]][random.integers(4)])
        _paste(image, neighbour, middle + step, random)
    _paste(image, glyph, middle, random)
    small = image.convert("RGB").filter(ImageFilter.GaussianBlur(random.uniform(0, 2.5))).resize((SIDE, SIDE))
    small = ImageEnhance.Color(small).enhance(random.uniform(0.6, 1.3))
    return ImageEnhance.Brightness(small).enhance(random.uniform(0.8, 1.2))


def _paste(
    image: Image.Image, glyph: Image.Image, middle: npt.NDArray[np.int64], random: np.random.Generator
) -> None:
    turned = glyph.rotate(random.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True)
    scale = image.width * random.uniform(0.65, 1.0) / max(turned.size)
    turned = turned.resize((round(turned.width * scale), round(turned.height * scale)))
    layer = Image.new("RGBA", image.size)
    layer.paste(turned, (int(middle[0]) - turned.width // 2, int(middle[1]) - turned.height // 2))
    image.alpha_composite(layer)


def _softened(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """As soft as an autoencoder may leave it: a style is more than its sharpest edges."""
    return picture.filter(ImageFilter.GaussianBlur(random.uniform(0, SOFT)))


def _scene_in_style(random: np.random.Generator, kinds: Sequence[Kind], style: str | None) -> Scene:
    while (scene := sample_scene(random, kinds)).style != style or scene.layout.name == "landscape":
        pass
    return scene


def _pixels(pictures: Sequence[Image.Image], side: int) -> torch.Tensor:
    """[n, 3, side, side] in [-1, 1]."""
    return to_pixels(
        np.stack([np.asarray(each.resize((side, side), Image.Resampling.BOX)) for each in pictures])
    )


Draw = Callable[[list["Question"]], Iterator[Pixels]]


@dataclass(frozen=True)
class Question:
    """A prompt, the scene that it tells of, and the seed to draw it with."""

    scene: Scene
    prompt: str
    seed: int


def questions(kinds: Sequence[Kind], count: int) -> dict[str, list[Question]]:
    """Held-out prompts: two fifths one thing on a colour, three tenths two things, three tenths a style."""
    random = np.random.default_rng(SEED)
    wanted: dict[str, tuple[int, Callable[[Scene], bool]]] = {
        "thing": (
            count * 2 // 5,
            lambda s: s.layout.name in ("alone", "big") and s.style is None and s.backdrop in COLOURS,
        ),
        "pair": (
            count * 3 // 10,
            lambda s: s.layout.name in ("left of", "right of", "above", "below") and s.style is None,
        ),
        "style": (count * 3 // 10, lambda s: s.layout.name == "alone" and s.style is not None),
    }
    found: dict[str, list[Question]] = {name: [] for name in wanted}
    while any(len(found[name]) < number for name, (number, _) in wanted.items()):
        scene = sample_scene(random, kinds, held_out=True)
        for name, (number, fits) in wanted.items():
            if fits(scene) and len(found[name]) < number:
                found[name].append(Question(scene, caption(scene, random), len(found[name])))
    return found


def evaluate(judges: Judges, asked: dict[str, list[Question]], draw: Draw) -> dict[str, Share]:
    """The four shares of the model card. `draw` gives a picture [256, 256, 3] for each question."""
    single, pairs, styled = (
        list(zip(asked[name], map(Image.fromarray, draw(asked[name])), strict=True))
        for name in ("thing", "pair", "style")
    )
    return {
        "the thing is recognised": _share(
            _things_right(judges, question, picture) for question, picture in single
        ),
        "the background has the colour": _share(
            background_colour(picture) == question.scene.backdrop for question, picture in single
        ),
        "both things are there, on the right side": _share(
            _things_right(judges, question, picture) for question, picture in pairs
        ),
        "the style is right": _share(
            judges.styles([picture]) == [question.scene.style] for question, picture in styled
        ),
    }


def _things_right(judges: Judges, question: Question, picture: Image.Image) -> bool:
    scene = question.scene
    boxes = [_box(thing.x, thing.y, thing.size) for thing in scene.layout.things]
    return judges.names([picture.crop(box) for box in boxes]) == [kind.name for kind in scene.kinds]


def _box(x: float, y: float, size: float) -> tuple[int, int, int, int]:
    half, middle = max(size, NORMAL / 2) * MARGIN / 2, PICTURE / 2
    return (
        round(middle + x - half),
        round(middle + y - half),
        round(middle + x + half),
        round(middle + y + half),
    )


def background_colour(picture: Image.Image) -> str:
    """The colour of `vocabulary.COLOURS` that is nearest to the median of the picture's edge."""
    pixels = np.asarray(picture, np.float32)
    edge = np.concatenate(
        [
            pixels[:BORDER].reshape(-1, 3),
            pixels[:, :BORDER].reshape(-1, 3),
            pixels[:, -BORDER:].reshape(-1, 3),
        ]
    )
    median = np.median(edge, axis=0)
    return min(COLOURS, key=lambda name: float(np.square(median - COLOURS[name]).sum()))


def _share(right: Iterator[bool]) -> Share:
    answers = list(right)
    return Share(sum(answers), len(answers))


def draw_truth(asked: list[Question]) -> Iterator[Pixels]:
    """The scenes themselves, to measure the judges: what a perfect model would get."""
    glyphs = Glyphs()
    for question in asked:
        random = np.random.default_rng([SEED, question.seed])
        yield np.asarray(cut(draw_scene(question.scene, glyphs, random), random))
