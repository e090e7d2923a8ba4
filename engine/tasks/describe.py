"""Describe: a picture to a text, by a CLIP that writes or by ranking phrases.

Ranking works as CLIP interrogators do: of each list one phrase is put behind the others, the one with which the whole
comes nearest to the picture, and none where it comes no nearer.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from engine.clip import Clip, Pixels
from engine.errors import Refusal

log = logging.getLogger(__name__)

ORDER = ("subjects", "places", "styles", "colours")  # of the lists in a description; others follow by name
SHORTLIST = 16  # phrases of a list that are tried behind the others: those that are nearest by themselves
MOST_PHRASES = 5000  # of one list


class Describer(Protocol):
    """Blocking: call from a thread."""

    def describe(self, pixels: Pixels) -> str:
        """What is in the picture, [H, W, 3], in a few words. Raises Refusal."""


class Captions:
    """By a CLIP that writes: open_clip's CoCa (Yu et al. 2022, arXiv 2205.01917)."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    def describe(self, pixels: Pixels) -> str:
        return self._clip.caption(pixels)


class Phrases:
    """By the phrases of some lists. They are read into the CLIP's terms once, at the first picture."""

    def __init__(self, clip: Clip, lists: Mapping[str, tuple[str, ...]]) -> None:
        self._clip = clip
        self._lists = [lists[name] for name in sorted(lists, key=_place) if lists[name]]
        self._directions: list[torch.Tensor] | None = None

    def describe(self, pixels: Pixels) -> str:
        if not self._lists:
            raise Refusal("clip_missing", "There are no phrases to describe a picture with.")
        if self._directions is None:
            self._directions = [self._clip.texts(phrases) for phrases in self._lists]
        picture = self._clip.picture(pixels)
        text, nearness = "", -1.0
        for phrases, directions in zip(self._lists, self._directions, strict=True):
            nearest = (picture @ directions.T)[0].argsort(descending=True)[:SHORTLIST].tolist()
            longer = [f"{text}, {phrases[number]}" if text else phrases[number] for number in nearest]
            reached, best = (picture @ self._clip.texts(longer).T)[0].max(dim=0)
            if float(reached) > nearness:
                text, nearness = longer[int(best)], float(reached)
        return text


def describe_file(describer: Describer, path: Path) -> str:
    """What is in a picture that lies in a file. Raises OSError, and what the describer raises."""
    with Image.open(path) as file:
        return describer.describe(np.asarray(file.convert("RGB")))


def read_phrases(files: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """The phrases of each list, one a line; empty lines and those that begin with # are none.

    A file that cannot be read is an empty list.
    """
    return {name: _lines(file) for name, file in files.items()}


def _lines(file: Path) -> tuple[str, ...]:
    try:
        lines = [line.strip() for line in file.read_text("utf-8", "replace").splitlines()]
    except OSError:
        log.warning("the phrases in %s cannot be read", file.name)
        return ()
    return tuple(line for line in lines if line and not line.startswith("#"))[:MOST_PHRASES]


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
