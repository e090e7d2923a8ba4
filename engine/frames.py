"""What the front and its worker say to each other: a JSON object per line over the worker's stdin and stdout.

The front starts `python -m engine.worker`, and what it says first is `begin`, with the worker's command line: nothing
waits for it, since the worker imports its libraries for seconds before it looks. The worker

* says `ready` once, then `heartbeat` every `HEARTBEAT_S` from a thread of its own;
* answers each `start` with any number of `loading` and `progress`, then exactly one of `finished`, `failed`
  or `cancelled`; a cancel that comes too late changes nothing;
* writes image n as `n.png`, `n.jpeg` or `n.webp` into the job's folder, complete, before it says `finished`;
* exits 0 on `stop` and on end of file, which means that the front is gone;
* writes nothing but frames to stdout. Its stderr is the front's log.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from engine.child import MAX_FRAME_BYTES
from engine.wire import ErrorBody, GenerationRequest, ImageInfo, Memory, WireModel

HEARTBEAT_S = 2.0


class Begin(WireModel):
    """The worker's command line, as `engine/worker/options.py` reads it. It comes once, before all else."""

    type: Literal["begin"] = "begin"
    arguments: tuple[str, ...] = ()


class Start(WireModel):
    """Draw `request`. `input` is an RGB PNG, exactly where the task needs one; `folder` exists.

    `mask` is a PNG of the input's size, black and white, exactly where the task is inpaint: white is drawn anew.
    `depth` is a grey PNG, white where things are near, where the task is depth2img and one was sent.
    `controls` are RGB PNGs of any size, one for each of the request's.
    """

    type: Literal["start"] = "start"
    job: str
    request: GenerationRequest
    input: Path | None = None
    mask: Path | None = None
    depth: Path | None = None
    controls: tuple[Path, ...] = ()
    folder: Path


class Cancel(WireModel):
    """Stop drawing `job` at the next step. Jobs that are not known are ignored."""

    type: Literal["cancel"] = "cancel"
    job: str


class Stop(WireModel):
    """Exit now."""

    type: Literal["stop"] = "stop"


class Ready(WireModel):
    """The worker can take jobs: up to `in_flight` images at a time, of one model at a time.

    `memory` is what the device may use; None where that is unknown, and no request is too large.
    """

    type: Literal["ready"] = "ready"
    device: str
    in_flight: Annotated[int, Field(ge=1)] = 1
    memory: Memory | None = None


class Heartbeat(WireModel):
    type: Literal["heartbeat"] = "heartbeat"


class Loading(WireModel):
    """The worker has begun to load `model` for `job`."""

    type: Literal["loading"] = "loading"
    job: str
    model: str


class Progress(WireModel):
    """Steps done over all images of the job. `preview` is a base64 JPEG, at most 256 pixels wide."""

    type: Literal["progress"] = "progress"
    job: str
    step: Annotated[int, Field(ge=0)]
    steps: Annotated[int, Field(ge=1)]
    preview: str | None = None


class Finished(WireModel):
    """Every image of the job lies in its folder. `seconds` is what drawing took, without waiting.

    `description` is the answer to `describe`, which has no images.
    """

    type: Literal["finished"] = "finished"
    job: str
    images: tuple[ImageInfo, ...]
    seconds: Annotated[float, Field(ge=0)]
    notices: tuple[str, ...] = ()
    description: str | None = None


class Failed(WireModel):
    """The job could not be drawn; the worker lives on. The codes are those of `engine/errors.py`."""

    type: Literal["failed"] = "failed"
    job: str
    error: ErrorBody


class Cancelled(WireModel):
    type: Literal["cancelled"] = "cancelled"
    job: str


ToWorker = Start | Cancel | Stop
JobFrame = Loading | Progress | Finished | Failed | Cancelled
FromWorker = Ready | Heartbeat | JobFrame

_TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(Annotated[ToWorker, Field(discriminator="type")])
_FROM_WORKER: TypeAdapter[FromWorker] = TypeAdapter(Annotated[FromWorker, Field(discriminator="type")])


def encode(frame: Begin | ToWorker | FromWorker) -> bytes:
    """One line, newline included. Raises ValueError where it would be longer than MAX_FRAME_BYTES."""
    line = frame.model_dump_json().encode() + b"\n"
    if len(line) > MAX_FRAME_BYTES:
        raise ValueError(f"a {frame.type} frame of {len(line)} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return line


def decode_begin(line: bytes) -> Begin:
    """What the front said first. Raises ValueError (pydantic's) where the line is no such frame."""
    return Begin.model_validate_json(line)


def decode_to_worker(line: bytes) -> ToWorker:
    """What the front said. Raises ValueError (pydantic's) where the line is no such frame."""
    return _TO_WORKER.validate_json(line)


def decode_from_worker(line: bytes) -> FromWorker:
    """What the worker said. Raises ValueError (pydantic's) where the line is no such frame."""
    return _FROM_WORKER.validate_json(line)
