"""A model's card: what its `darkroom.json`, or `NAME.darkroom.json` beside a file, says about it. No torch."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from rapidfuzz import process
from rapidfuzz.distance import OSA

from engine import violations
from engine.models.fault import Corrupt
from engine.models.json_file import read_json
from engine.wire import WireModel

CARD_FILE = "darkroom.json"
ALIKE = 0.75  # of 1: a word is perhaps a known one, mistyped; two letters in the wrong order are one mistake
TOLD = 3  # unknown words named in one notice
SHOWN = 30  # characters of such a word

_ONE_EMOJI = (
    "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"  # with its skin
)
_EMOJI = rf"{_ONE_EMOJI}(?:\u200d{_ONE_EMOJI})*"  # joined ones are one

Row = Annotated[tuple[float, ...], Field(min_length=3, max_length=3)]


class Vocabulary(WireModel):
    """The words that a small model was trained on, in lower case, and what to say to who uses others."""

    words: frozenset[Annotated[str, Field(max_length=64)]] = Field(max_length=100_000)
    advice: Annotated[str, Field(max_length=300)] = ""

    def hint(self, prompt: str) -> str | None:
        """A sentence for who asked for what the model never saw, or None where it knows every word.

        A plural of a known word is known.
        """
        unknown = [word for word in dict.fromkeys(words_of(prompt)) if not self._knows(word)]
        if not unknown:
            return None
        named = ", ".join(f"“{self._named(word)}" for word in unknown[:TOLD])
        more = " and more" if len(unknown) > TOLD else ""
        return f"This model does not know {named}{more}. {self.advice}".strip()

    def _knows(self, word: str) -> bool:
        return word in self.words or word.removesuffix("s") in self.words

    def _named(self, word: str) -> str:
        found = process.extractOne(
            word, sorted(self.words), scorer=OSA.normalized_similarity, score_cutoff=ALIKE
        )
        shown = word if len(word) <= SHOWN else f"{word[: SHOWN - 1]}…"
        return f"{shown}” (did you mean “{found[0]}”?)" if found else f"{shown}”"


class Card(WireModel):
    """What an operator, or the model's maker, may say. `defaults` are fields of `wire.Defaults`.

    `prediction_type` is what a single file's network predicts; a folder's scheduler configuration says it.
    `base` is the folder with the other parts of what a GGUF file is one network of.
    `latent_to_rgb` are five rows of red, green and blue: what each latent channel adds to a preview's colour in
    [-1, 1], and last what is always added. Without it, Stable Diffusion's own is used.
    `keeps_colours`: of a ×4 upscaler, that what it draws gets the colours of the small picture back, and that
    it sees a margin around it.
    """

    title: Annotated[str, Field(max_length=100)] = ""
    notice: Annotated[str, Field(max_length=300)] = ""
    defaults: dict[str, Any] = Field(default_factory=dict)
    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    base: Annotated[str, Field(max_length=128)] = ""
    vocabulary: Vocabulary | None = None
    latent_to_rgb: Annotated[tuple[Row, ...], Field(min_length=5, max_length=5)] | None = None
    keeps_colours: bool = False


def card_file(model: Path) -> Path:
    """Where the card of a model is: in its folder, or beside its file.

    Not NAME.json: AUTOMATIC1111 keeps its own notes under that name.
    """
    return model / CARD_FILE if model.is_dir() else model.with_name(f"{model.stem}.{CARD_FILE}")


def read_card(model: Path) -> Card:
    """The card of a model; an empty one where it has none. Raises Corrupt where it is damaged."""
    file = card_file(model)
    if not file.exists():
        return Card()
    try:
        return Card.model_validate(read_json(file.parent, file.name))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Corrupt(f"its {file.name}: {violations.sentence(first)}") from None


def words_of(text: str) -> Iterable[str]:
    """The words of a prompt in lower case, without numbers, what is in angle brackets, and the language's own words.

    Each emoji is one.
    """
    plain = re.sub(r"<[^<>]*>|\b(?:AND|BREAK)\b", " ", text)
    return re.findall(rf"[^\W\d_]+|{_EMOJI}", plain.lower())
