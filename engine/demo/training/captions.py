"""What a scene's caption says, in the words and orders that people use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.demo.vocabulary import COLOUR_NAMES, LANDSCAPES, PLACES, STYLES, Kind, plural

if TYPE_CHECKING:
    from engine.demo.training.scenes import Scene

Random = np.random.Generator

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
SIZES = {"small": ("small", "tiny", "little"), "big": ("big", "large", "huge")}
RELATIONS = {
    "and": ("{a} and {b}", "{a} next to {b}"),
    "left of": ("{a} left of {b}", "{a} to the left of {b}", "{a} on the left and {b} on the right"),
    "right of": ("{a} right of {b}", "{a} to the right of {b}", "{a} on the right and {b} on the left"),
    "above": ("{a} above {b}", "{a} over {b}", "{a} on {b}"),
    "below": ("{a} below {b}", "{a} under {b}", "{a} beneath {b}"),
    "in front of": ("{a} in front of {b}", "{a} with {b} behind"),
    "with": ("{a} with {b}", "{a} holding {b}", "{a} drawing with {b}"),
}
ALONE = {
    "hat": ("{a} in a hat", "{a} wearing a hat", "{a} with a hat"),
    "branch": ("{a} on a tree branch", "{a} sitting on a branch", "{a} sitting on a tree branch"),
    "wings": ("a flying {bare}", "{a} with wings", "{a} flying"),
}
DANCERS = ("people dancing", "dancing people", "two people dancing", "dancers")
PREFIXES = ("a picture of", "an image of", "a drawing of")


def caption(scene: "Scene", random: Random) -> str:
    """A caption of chance; the same scene has many."""
    text = _place(scene, _subject(scene, random), random)
    if scene.style is not None:
        return _styled(text, _pick(STYLES[scene.style], random), random)
    return f"{_pick(PREFIXES, random)} {text}" if random.random() < 0.06 else text


def _subject(scene: "Scene", random: Random) -> str:
    layout, kinds = scene.layout, scene.kinds
    if layout.name == "dancers":
        return _pick(DANCERS, random)
    if layout.name == "landscape":
        return _pick(LANDSCAPES[scene.backdrop or "meadow"], random)
    names = [_name(kind, random) for kind in kinds]
    if layout.name == "count":
        return f"{NUMBERS[layout.count]} {plural(names[0])}"
    if layout.name in SIZES:
        return with_article(f"{_pick(SIZES[layout.name], random)} {names[0]}")
    if layout.name in ALONE:
        return _pick(ALONE[layout.name], random).format(a=with_article(names[0]), bare=names[0])
    if layout.name == "three":
        first, second, third = (with_article(name) for name in names)
        return f"{first}, {second} and {third}"
    if layout.name in RELATIONS:
        first, second = (with_article(name) for name in names)
        return _pick(RELATIONS[layout.name], random).format(a=first, b=second)
    return names[0] if random.random() < 0.15 else with_article(names[0])


def _name(kind: Kind, random: Random) -> str:
    return kind.name if random.random() < 0.6 else _pick(kind.names, random)


def _place(scene: "Scene", subject: str, random: Random) -> str:
    backdrop = scene.backdrop
    if backdrop is None or scene.layout.name == "landscape":
        return subject
    if backdrop in PLACES:
        return f"{subject} {_pick(PLACES[backdrop], random)}"
    colour = _pick(COLOUR_NAMES.get(backdrop, (backdrop,)), random)
    phrases = ("{a} on {article} background", "{a}, {colour} background", "{a} on {colour}")
    return _pick(phrases, random).format(a=subject, colour=colour, article=with_article(colour))


def _styled(text: str, style: str, random: Random) -> str:
    return _pick(
        (f"{with_article(style)} of {text}", f"{text}, {style}", f"{text} in the style of {style}"), random
    )


def with_article(noun: str) -> str:
    """The noun with a or an, by its sound."""
    vowel = noun[0] in "aeiou8" and not noun.startswith(("uni", "ufo"))
    return f"{'an' if vowel else 'a'} {noun}"


def _pick(texts: Sequence[str], random: Random) -> str:
    return texts[int(random.integers(len(texts)))]
