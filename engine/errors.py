"""Every way in which the engine says no.

    EngineError
    ├── Refusal         a request or a job, answered as an `ErrorBody`
    ├── Misconfigured   a setting; the program does not start (exit code 78)
    └── Unavailable     what the program needs is taken, or out of reach (exit code 69)

`CODES` is the table of docs/api.md. A code, once released, keeps its meaning.
"""

import os
from dataclasses import dataclass

from engine.wire import ErrorBody


@dataclass(frozen=True)
class Code:
    """`status` is HTTP's where the front refuses a call; a job that failed carries the code in its event."""

    status: int
    retryable: bool
    meaning: str


CODES = {
    "bad_request": Code(400, False, "The call is not well formed: JSON, multipart or a header."),
    "unauthorized": Code(401, False, "The bearer token is missing or wrong."),
    "forbidden": Code(403, False, "The call came from a web page, or under a host name that is not ours."),
    "unknown_route": Code(404, False, "There is no such address."),
    "unknown_job": Code(404, False, "No job has this id (any more)."),
    "unknown_image": Code(404, False, "The job has no such image, or not yet."),
    "wrong_method": Code(405, False, "The address does not take this method."),
    "conflict": Code(409, False, "The id belongs to a job with other content."),
    "body_too_large": Code(413, False, "The JSON of the request is too long."),
    "image_too_large": Code(413, False, "An image that was sent has too many bytes or pixels."),
    "wrong_media_type": Code(415, False, "The body is not multipart/form-data."),
    "invalid_field": Code(422, False, "A field is outside its limits, or does not go with another."),
    "unknown_model": Code(422, False, "No model has this name."),
    "unknown_lora": Code(422, False, "The prompt names a LoRA that the engine does not have."),
    "unknown_control": Code(422, False, "No network for control pictures has this name."),
    "control_incompatible": Code(422, False, "The control was trained for another family of models."),
    "control_missing": Code(422, False, "A control has no picture of its own."),
    "control_unreadable": Code(
        422, False, "A control picture is empty, cut off, animated or of another format."
    ),
    "control_broken": Code(500, False, "The files of a control are damaged or incomplete."),
    "lora_incompatible": Code(
        422, False, "The LoRA does not go with this model, or is of a kind that is not read."
    ),
    "embedding_incompatible": Code(
        422, False, "The prompt names an embedding that does not go with this model."
    ),
    "unknown_vae": Code(422, False, "No VAE has this name."),
    "vae_incompatible": Code(422, False, "The VAE does not go with this model."),
    "adapter_broken": Code(422, False, "The file of a LoRA, an embedding or a VAE is damaged or incomplete."),
    "unknown_upscaler": Code(422, False, "No upscaler has this name."),
    "unknown_restorer": Code(422, False, "No face restorer has this name."),
    "unsupported_task": Code(422, False, "The model cannot do this task."),
    "clip_missing": Code(422, False, "best_of needs a CLIP, and the engine has none for this model."),
    "safety_unavailable": Code(
        422, False, "A check was asked for, and the safety checker is missing or failed."
    ),
    "image_missing": Code(422, False, "The task needs an input image and none was sent."),
    "image_unreadable": Code(422, False, "The input image is empty, cut off, animated or of another format."),
    "mask_missing": Code(422, False, "The task needs a mask and none was sent."),
    "mask_unreadable": Code(422, False, "The mask is empty, cut off, animated or of another format."),
    "depth_missing": Code(422, False, "The model needs a depth image and none was sent."),
    "depth_unreadable": Code(422, False, "The depth image is empty, cut off, animated or of another format."),
    "queue_full": Code(429, True, "The queue holds as many jobs as it may."),
    "internal": Code(500, False, "Something broke; the log has the reference."),
    "shutting_down": Code(503, True, "The engine is stopping; offer the job again."),
    "storage_full": Code(507, True, "The engine could not write to its disk."),
    "worker_crashed": Code(500, True, "The process that draws died while it held the job."),
    "worker_hung": Code(500, True, "The process that draws made no progress and was stopped."),
    "out_of_memory": Code(500, False, "The picture does not fit in the device's memory."),
    "nan_output": Code(500, False, "The model produced no numbers, which would be a black picture."),
    "unsafe_image": Code(500, False, "The safety checker held every picture back."),
    "model_broken": Code(500, False, "The model's files are damaged or incomplete."),
    "upscaler_broken": Code(500, False, "The upscaler's file is damaged, or no upscaler."),
    "decoder_broken": Code(
        500, False, "The tiny autoencoder's file is missing, damaged, or of another family of models."
    ),
    "restorer_broken": Code(500, False, "The face restorer's file is damaged, or restores no faces."),
}


class EngineError(Exception):
    """The root. `str()` is a sentence for a person."""

    exit_code = os.EX_SOFTWARE


class Refusal(EngineError):
    """A refused call or a failed job. `message` is one sentence and may be shown as it is.

    `field` names what to change, `hint` what would work, `retry_after` when to try again, in seconds.
    Raises KeyError for a code that is not in the table.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = CODES[code].status
        self.retry_after = retry_after
        self.body = ErrorBody(
            code=code, message=message, field=field, hint=hint, retryable=CODES[code].retryable
        )


class Misconfigured(EngineError):
    exit_code = os.EX_CONFIG


class Unavailable(EngineError):
    exit_code = os.EX_UNAVAILABLE
