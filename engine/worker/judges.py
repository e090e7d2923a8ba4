"""Who looks at a job's pictures before anybody else does: networks loaded when a job first needs them, once each."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from engine.clip import Clip, Pixels, load_clip
from engine.errors import Refusal
from engine.images.veil import veiled
from engine.models.companions import SAFE, UNSAFE, Companions
from engine.prompts.plain import plain
from engine.safety import PLAIN, Checker, WordChecker, load_concept_checker, unavailable, verdict_of
from engine.tasks.describe import Captions, Describer, Phrases, read_phrases
from engine.wire import GenerationRequest, Safety
from engine.worker.picture import Developed
from engine.worker.selection import Candidate

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Jury:
    """`checkers` give a verdict on each finished picture unless the policy is off; `clip` compares it to its prompt."""

    policy: Safety = Safety.OFF
    checkers: tuple[Checker, ...] = ()
    clip: Clip | None = None

    def candidate(self, image: Developed, pixels: Pixels) -> Candidate:
        """A picture of final pixels [H, W, 3], judged, and veiled where the policy says so.

        Blocking: call from a thread. Raises Refusal safety_unavailable and ModelBroken: then it must not be shown.
        """
        verdict = None if self.policy is Safety.OFF else verdict_of(self.checkers, pixels)
        words = plain(image.words.prompt)
        score = None if self.clip is None else self.clip.scores(pixels, [words])[0]
        if verdict is not None and verdict.flagged and self.policy is Safety.BLUR:
            pixels = np.asarray(veiled(Image.fromarray(pixels)))
        return Candidate(image=image, place=image.index, pixels=pixels, score=score, safety=verdict)


def no_jury(request: GenerationRequest) -> Jury:
    """Of an engine where nobody looks. Raises Refusal safety_unavailable, clip_missing."""
    if request.safety is not Safety.OFF:
        raise unavailable("is missing")
    if request.best_of is not None:
        raise _no_clip(request)
    return Jury()


def no_describer(request: GenerationRequest) -> Describer:
    """Of an engine where nobody looks. Raises Refusal clip_missing."""
    raise _no_clip(request)


class Judges:
    """`place` gives the folder or file of a model by its name. What is loaded stays, in the machine's own memory."""

    def __init__(self, *, companions: Companions, place: Callable[[str], Path]) -> None:
        self._companions = companions
        self._place = place
        self._clips: dict[Path, Clip] = {}
        self._checkers: dict[Path, Checker] = {}
        self._describers: dict[tuple[Path, Path], Describer] = {}

    def jury(self, request: GenerationRequest) -> Jury:
        """Whom the request needs, loaded before anything is drawn for it.

        Raises Refusal safety_unavailable, clip_missing, and ModelBroken.
        """
        return Jury(
            policy=request.safety,
            checkers=() if request.safety is Safety.OFF else self._checkers_of(request),
            clip=None if request.best_of is None else self._ranker(request),
        )

    def describer(self, request: GenerationRequest) -> Describer:
        """Raises Refusal clip_missing, ModelBroken."""
        model = self._place(request.model)
        folder = self._companions.describer(model)
        if folder is None:
            raise _no_clip(request)
        if (folder, model) not in self._describers:
            clip = self._clip(folder)
            lists = read_phrases(self._companions.phrases(model))
            self._describers[folder, model] = Captions(clip) if clip.writes else Phrases(clip, lists)
        return self._describers[folder, model]

    def _checkers_of(self, request: GenerationRequest) -> tuple[Checker, ...]:
        found: list[Checker] = []
        if (folder := self._companions.concept_checker(self._place(request.model))) is not None:
            if folder not in self._checkers:
                self._checkers[folder] = load_concept_checker(folder)
            found.append(self._checkers[folder])
        if (folder := self._companions.word_lists()) is not None:
            found.append(self._word_checker(request, folder))
        if not found:
            raise unavailable("is missing")
        return tuple(found)

    def _word_checker(self, request: GenerationRequest, folder: Path) -> Checker:
        lists = read_phrases({"unsafe": folder / UNSAFE, "safe": folder / SAFE})
        if not lists["unsafe"]:
            raise unavailable(f"has no words in {UNSAFE}")
        try:
            clip = self._ranker(request)
        except Exception as error:
            raise unavailable("has no CLIP that can be loaded") from error
        return WordChecker(clip, unsafe=lists["unsafe"], safe=lists["safe"] or PLAIN)

    def _ranker(self, request: GenerationRequest) -> Clip:
        folder = self._companions.ranker(self._place(request.model))
        if folder is None:
            raise _no_clip(request)
        return self._clip(folder)

    def _clip(self, folder: Path) -> Clip:
        if folder not in self._clips:
            self._clips[folder] = load_clip(folder)
            log.info("CLIP %s loaded", folder.name)
        return self._clips[folder]


def _no_clip(request: GenerationRequest) -> Refusal:
    return Refusal("clip_missing", f"There is no CLIP for {request.model}.", field="model")
