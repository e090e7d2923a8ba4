"""Our own record of a picture: the whole request, and what else is needed to draw it again."""

import json

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.images.infotext import infotext
from engine.prompts.wildcards import Words
from engine.wire import GenerationRequest

CHUNK = "darkroom"  # the keyword of the PNG chunk


class Record(BaseModel):
    """`words` are the prompts with every wildcard chosen, where they are not the request's; `seed` and
    `variation_seed` are this picture's own, `size` (width, height) what it became; `watermark` what was woven into it,
    empty for nothing; `score` how near it is to its prompt, where `best_of` chose it; `hashes` those of its adapters,
    as in the infotext.

    A newer Darkroom may say more: what is not known here is skipped.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    request: GenerationRequest
    words: Words | None = None
    seed: int
    variation_seed: int | None = None
    size: tuple[int, int] | None = None
    model_hash: str
    version: str
    watermark: str = ""
    score: float | None = None
    hashes: dict[str, str] = {}

    def to_json(self, *, ascii_only: bool = True) -> str:
        """ASCII, so that every reader of PNG text agrees. Without the owner: pictures travel, people need not."""
        request = self.request.model_dump(mode="json", exclude={"owner"})
        said = self.model_dump(mode="json", exclude_none=True) | {"request": request}
        return json.dumps(said, ensure_ascii=ascii_only)

    def infotext(self) -> str:
        """The same for A1111 and its like."""
        return infotext(
            self.request,
            words=self.words,
            seed=self.seed,
            variation_seed=self.variation_seed,
            size=self.size,
            model_hash=self.model_hash,
            version=self.version,
            hashes=self.hashes,
        )

    @classmethod
    def from_json(cls, text: str) -> "Record | None":
        """The record in `text`; None where it is none that we know."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None
