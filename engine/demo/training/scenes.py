"""Scenes: what a training picture shows, drawn from glyphs, and what its caption says.

A scene is composed on a canvas larger than the picture, so that the picture can be cut from it at several places.
Everything comes from one random generator: the same seed and number give the same picture and caption.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from engine.demo.training.backdrops import Random, draw_backdrop
from engine.demo.training.glyphs import Glyphs
from engine.demo.training.layouts import Layout, Thing, layout_of
from engine.demo.training.styles import apply_style
from engine.demo.vocabulary import COLOURS, KINDS, PLACES, STYLES, Kind

PICTURE = 256  # pixels
CANVAS = 288  # the picture may be cut out anywhere: its things move by up to 16 pixels each way
HELD_OUT = 10  # one combination in so many is never trained
PLAIN_STYLES = frozenset({"pencil sketch", "neon"})  # these leave nothing of the backdrop

LAYOUTS = {  # how often; most of them are pairs and threes, which take the longest to learn
    "alone": 0.11,
    "small": 0.02,
    "big": 0.03,
    "and": 0.11,
    "left of": 0.14,
    "right of": 0.14,
    "above": 0.12,
    "below": 0.12,
    "in front of": 0.03,
    "with": 0.04,
    "three": 0.05,
    "hat": 0.015,
    "branch": 0.015,
    "wings": 0.015,
    "dancers": 0.01,
    "count": 0.025,
    "landscape": 0.01,
}


HARD = {  # how often these are seen in training, beside the others' once: they are learned the slowest
    "above": 2.0,
    "below": 2.0,
    "left of": 1.5,
    "right of": 1.5,
    "three": 1.5,
    "with": 2.5,
    "oil painting": 3.0,
    "pixel art": 3.0,
}


@dataclass(frozen=True)
class Scene:
    """`kinds` in the order of the caption; `backdrop` a colour, a place or None; `style` or None."""

    layout: Layout
    kinds: tuple[Kind, ...]
    backdrop: str | None
    style: str | None

    @property
    def held_out(self) -> bool:
        """Whether this combination of kinds and backdrop is kept for evaluation."""
        words = [*sorted(kind.name for kind in self.kinds), str(self.backdrop)]
        return zlib.crc32("|".join(words).encode()) % HELD_OUT == 0

    @property
    def weight(self) -> float:
        """How often it is seen in training, beside an easy scene's once."""
        return HARD.get(self.layout.name, 1.0) * HARD.get(str(self.style), 1.0)


def sample_scene(random: Random, kinds: Sequence[Kind] = KINDS, *, held_out: bool = False) -> Scene:
    """A scene of chance, of the combinations that are trained or of those that are held out."""
    while True:
        scene = _scene(random, kinds)
        if scene.held_out == held_out:
            return scene


def _scene(random: Random, kinds: Sequence[Kind]) -> Scene:
    layout = layout_of(str(random.choice(list(LAYOUTS), p=list(LAYOUTS.values()))), random)
    chosen = random.choice(len(kinds), layout.kinds, replace=False)
    style = str(random.choice(list(STYLES))) if random.random() < 0.2 else None
    return Scene(
        layout=layout,
        kinds=tuple(kinds[index] for index in chosen),
        backdrop=None if style in PLAIN_STYLES else _backdrop(layout.name, random),
        style=style,
    )


def _backdrop(layout: str, random: Random) -> str | None:
    if layout == "landscape":
        return str(random.choice(list(PLACES)))
    chance = random.random()
    if chance < 0.3:
        return None
    return str(random.choice(list(COLOURS) if chance < 0.7 else list(PLACES)))


def draw_scene(scene: Scene, glyphs: Glyphs, random: Random) -> Image.Image:
    """The scene on its canvas, RGB, CANVAS pixels a side."""
    backdrop = scene.backdrop
    if scene.style in PLAIN_STYLES:
        backdrop = "white" if scene.style == "pencil sketch" else "black"
    canvas = draw_backdrop(backdrop, CANVAS, random).convert("RGBA")
    for thing in scene.layout.things:
        _put(canvas, thing, scene.kinds, glyphs)
    return apply_style(scene.style, canvas.convert("RGB"), random)


def _put(canvas: Image.Image, thing: Thing, kinds: Sequence[Kind], glyphs: Glyphs) -> None:
    """Paste one thing: a kind of the scene by number, an emoji, or the branch."""
    if thing.what == "branch":
        _draw_branch(canvas, thing)
        return
    glyph = glyphs.draw(kinds[thing.what].glyph if isinstance(thing.what, int) else thing.what)
    scale = thing.size / max(glyph.size)
    size = (max(1, round(glyph.width * scale)), max(1, round(glyph.height * scale)))
    glyph = glyph.resize(size, Image.Resampling.BICUBIC)
    if thing.mirrored:
        glyph = glyph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    left, top = round(thing.x + CANVAS / 2 - glyph.width / 2), round(thing.y + CANVAS / 2)
    top -= glyph.height if thing.stands else glyph.height // 2
    layer = Image.new("RGBA", canvas.size)
    layer.paste(glyph, (left, top))
    canvas.alpha_composite(layer)


def _draw_branch(canvas: Image.Image, thing: Thing) -> None:
    draw = ImageDraw.Draw(canvas)
    y = CANVAS / 2 + thing.y
    draw.line((0, y + 14, CANVAS, y - 6), fill=(112, 74, 44), width=16)
    draw.line((CANVAS * 0.72, y, CANVAS * 0.9, y - 44), fill=(112, 74, 44), width=9)
    for x, dy in ((0.84, -54), (0.93, -50), (0.88, -66), (0.16, 20), (0.08, 30)):
        cx, cy = CANVAS * x, y + dy
        draw.ellipse((cx - 14, cy - 9, cx + 14, cy + 9), fill=(78, 158, 70))


def cut(canvas: Image.Image, random: Random) -> Image.Image:
    """The picture, cut from its canvas at a place of chance."""
    left, top = (int(value) for value in random.integers(0, CANVAS - PICTURE + 1, 2))
    return canvas.crop((left, top, left + PICTURE, top + PICTURE))


def coverage(scene: Scene, glyphs: Glyphs) -> Image.Image:
    """Where things are on the canvas: L, 255 on a thing and 0 beside it."""
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    for thing in scene.layout.things:
        _put(canvas, thing, scene.kinds, glyphs)
    return canvas.getchannel("A")
