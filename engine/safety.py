"""Safety checkers: whether a finished picture shows what is not to be seen. On the CPU, like every CLIP here.

They fail closed: a checker that is missing, raises or gives no number is Refusal safety_unavailable, and whoever
asked shows nothing.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from torch.nn.functional import normalize

from engine.clip import Clip, Pixels
from engine.errors import Refusal
from engine.models.companions import CHECKER, EXTRACTOR
from engine.wire import SafetyVerdict

log = logging.getLogger(__name__)

SPECIAL_CARE = 0.01  # by which every limit is lower once a picture shows what needs special care
PLAIN = ("a picture",)  # what is safe where an operator lists nothing
NOTHING_SHOWN = "The safety checker {}: nothing is shown unchecked."


class Checker(Protocol):
    """Anything that looks at a picture before people do."""

    def check(self, pixels: Pixels) -> SafetyVerdict:
        """The verdict on RGB pixels [H, W, 3]. May raise anything: `verdict_of` makes a refusal of it."""


class ConceptChecker:
    """Stable Diffusion's own: seventeen concepts as directions of CLIP, each with its limit, and three more that
    lower the limits. Its verdicts are those of diffusers' `StableDiffusionSafetyChecker`.
    """

    def __init__(self, network: Any, extractor: Any) -> None:
        self._network = network
        self._extractor = extractor

    @torch.inference_mode()
    def check(self, pixels: Pixels) -> SafetyVerdict:
        seen = self._extractor(Image.fromarray(pixels), return_tensors="pt").pixel_values
        picture = self._network.visual_projection(self._network.vision_model(seen)[1])
        care = self._over(picture, "special_care_embeds", 0.0)
        adjustment = SPECIAL_CARE if bool((care > 0).any()) else 0.0
        concepts = self._over(picture, "concept_embeds", adjustment)
        score, likeliest = (float(concepts.max()), int(concepts.argmax()))
        return SafetyVerdict(flagged=score > 0, score=score, concept=f"concept {likeliest + 1}")

    def _over(self, picture: torch.Tensor, concepts: str, adjustment: float) -> torch.Tensor:
        """How far the picture is over the limit of each concept, rounded as diffusers does."""
        directions, limits = (getattr(self._network, name) for name in (concepts, f"{concepts}_weights"))
        cosines = (normalize(picture) @ normalize(directions).T)[0]
        over: torch.Tensor = ((cosines - limits + adjustment) * 1000).round() / 1000
        return over


class WordChecker:
    """An operator's own words: flagged is what a CLIP finds nearer to an unsafe phrase than to every safe one."""

    def __init__(self, clip: Clip, *, unsafe: Sequence[str], safe: Sequence[str] = PLAIN) -> None:
        self._clip = clip
        self._unsafe = tuple(unsafe)
        self._safe = tuple(safe)
        self._directions = clip.texts([*self._unsafe, *self._safe])

    def check(self, pixels: Pixels) -> SafetyVerdict:
        cosines = (self._clip.picture(pixels) @ self._directions.T)[0]
        unsafe, safe = cosines[: len(self._unsafe)], cosines[len(self._unsafe) :]
        score = float(unsafe.max() - safe.max())
        return SafetyVerdict(flagged=score > 0, score=score, concept=self._unsafe[int(unsafe.argmax())])


def verdict_of(checkers: Sequence[Checker], pixels: Pixels) -> SafetyVerdict:
    """The worst verdict of all checkers. Raises Refusal safety_unavailable where one of them gives none."""
    if not checkers:
        raise unavailable("is missing")
    try:
        verdicts = [checker.check(pixels) for checker in checkers]
    except Exception as error:
        log.exception("a safety checker failed")
        raise unavailable("failed") from error
    if not all(math.isfinite(verdict.score) for verdict in verdicts):  # a NaN is over no limit
        raise unavailable("gave no number")
    return max(verdicts, key=lambda verdict: (verdict.flagged, verdict.score))


def load_concept_checker(folder: Path) -> ConceptChecker:
    """Of a folder with `safety_checker` and `feature_extractor`. Raises Refusal safety_unavailable."""
    variant = None if (folder / CHECKER / "model.safetensors").is_file() else "fp16"
    options = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32, "variant": variant}
    try:
        network = StableDiffusionSafetyChecker.from_pretrained(folder / CHECKER, **options)
        extractor = transformers.CLIPImageProcessor.from_pretrained(folder / EXTRACTOR, local_files_only=True)
    except Exception as error:  # whatever a broken file provokes in three libraries
        log.exception("the safety checker could not be loaded")
        raise unavailable("could not be loaded") from error
    return ConceptChecker(network.eval().requires_grad_(False), extractor)


def unavailable(why: str) -> Refusal:
    """`why` goes on "The safety checker …"."""
    return Refusal("safety_unavailable", NOTHING_SHOWN.format(why), field="safety")
