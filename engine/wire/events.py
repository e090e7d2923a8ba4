"""What an engine says of a job, up to exactly one last word, and how it refuses."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from engine.wire.base import WireModel


class ErrorBody(WireModel):
    """Every refusal and every failure. `message` may be shown to a person as it is.

    The codes are the rows of the table in docs/api.md. `field` is the request field to change,
    `hint` says what would work, `retryable` whether the same request may succeed later.
    """

    code: str
    message: str
    field: str | None = None
    hint: str | None = None
    retryable: bool = False


class SafetyVerdict(WireModel):
    """What the safety checkers found. `score` is how far the likeliest `concept` is over its limit: flagged over 0."""

    flagged: bool
    score: float
    concept: str | None = None


class ImageInfo(WireModel):
    """One finished image; its bytes are at `/v1/jobs/{id}/images/{index}`.

    `score` is the cosine, in [-1, 1], between picture and prompt by a CLIP, where `best_of` asked for it.
    """

    index: int
    seed: int
    width: int
    height: int
    media_type: str
    bytes: int
    sha256: str
    infotext: str
    score: float | None = None
    safety: SafetyVerdict | None = None

    @property
    def file_name(self) -> str:
        """What its file is called in the job's folder, such as `0.png`."""
        return f"{self.index}.{self.media_type.removeprefix('image/')}"


class Queued(WireModel):
    """Waiting in the front's queue. `position` 1 is next; `eta_s` until it is drawn, None before anything was timed."""

    type: Literal["queued"] = "queued"
    position: Annotated[int, Field(ge=1)]
    eta_s: float | None = None


class Loading(WireModel):
    """The worker is loading the job's model."""

    type: Literal["loading"] = "loading"
    model: str


class Progress(WireModel):
    """Steps done over all of the job's images, of steps in all. `preview` is a base64 JPEG, at most 256 pixels wide."""

    type: Literal["progress"] = "progress"
    step: int
    steps: int
    eta_s: float | None = None
    preview: str | None = None


class Finished(WireModel):
    """All images are in the engine's spool. `notices` are sentences for the person, e.g. that a prompt was cut.

    `description` is what `describe` found, which has no images.
    """

    type: Literal["finished"] = "finished"
    images: tuple[ImageInfo, ...]
    seconds: float
    notices: tuple[str, ...] = ()
    description: str | None = None


class Failed(WireModel):
    type: Literal["failed"] = "failed"
    error: ErrorBody


class Cancelled(WireModel):
    type: Literal["cancelled"] = "cancelled"


Event = Annotated[Queued | Loading | Progress | Finished | Failed | Cancelled, Field(discriminator="type")]
TERMINAL = (Finished, Failed, Cancelled)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
