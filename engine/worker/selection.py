"""Which of a job's finished pictures are written: all that may be seen, or the best of the candidates."""

from dataclasses import dataclass, replace

from engine.clip import Pixels
from engine.errors import Refusal
from engine.wire import GenerationRequest, Safety, SafetyVerdict
from engine.worker.picture import Developed


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A picture, [H, W, 3], that could be written as number `place`, with what was found about it."""

    image: Developed
    place: int
    pixels: Pixels
    score: float | None = None
    safety: SafetyVerdict | None = None


class Selection:
    """Pictures are numbered without gaps, so those that compete or may be held back wait for the last one, at most
    `count` at a time.
    """

    def __init__(self, request: GenerationRequest) -> None:
        self._request = request
        self._awaited = request.candidates
        self._best: list[Candidate] = []
        self._flagged = 0
        self._shown = 0

    def add(self, candidate: Candidate) -> list[Candidate]:
        """The pictures that are to be written now. Raises Refusal unsafe_image where the last one came and none was."""
        self._awaited -= 1
        flagged = candidate.safety is not None and candidate.safety.flagged
        self._flagged += flagged
        blocked = flagged and self._request.safety is Safety.BLOCK
        chosen = self._chosen([] if blocked else [candidate])
        self._shown += len(chosen)
        if not self._awaited and not self._shown:
            raise Refusal(
                "unsafe_image", "The safety checker held every picture back. Another seed may work."
            )
        return chosen

    def _chosen(self, candidates: list[Candidate]) -> list[Candidate]:
        if self._request.best_of is None and self._request.safety is not Safety.BLOCK:
            return candidates
        ranked = sorted([*self._best, *candidates], key=self._rank)
        self._best = ranked[: self._request.count]
        if self._awaited:
            return []
        return [replace(each, place=place) for place, each in enumerate(self._best)]

    def _rank(self, candidate: Candidate) -> tuple[bool, float, int]:
        """Best first; what would only be shown under a veil comes last."""
        veiled = self._request.safety.hides and candidate.safety is not None and candidate.safety.flagged
        return veiled, -(candidate.score or 0.0), candidate.place

    def notices(self) -> tuple[str, ...]:
        """What a person is told about pictures that they do not see as they were drawn."""
        if not self._flagged or not self._request.safety.hides:
            return ()
        done = "held back" if self._request.safety is Safety.BLOCK else "veiled"
        return (
            f"The safety checker flagged {self._flagged} of {self._request.candidates} pictures: {done}.",
        )
