"""Rows to jobs and back: the only place that knows both shapes."""

import hashlib
import json
from dataclasses import fields
from datetime import datetime
from typing import Any

from bot.history.tables import ImageRow, JobRow
from bot.jobs.states import Conversation, Job, JobState, StoredImage
from engine.wire import ErrorBody, GenerationRequest

_CONVERSATION = tuple(field.name for field in fields(Conversation))
_IMAGE = tuple(field.name for field in fields(StoredImage))
_SAME = (
    *("id", "created_at", "input_sha256", "mask_sha256", "parent_id", "attempt", "crashes", "seconds"),
    *("description", "posted_at", "cancel_requested_at", "cancel_requested_by"),
)


def fingerprint(
    request: GenerationRequest, input_sha256: str | None = None, mask_sha256: str | None = None
) -> str:
    """SHA-256 of what is drawn, whatever the seed and whoever asks: what killed the engine once may again."""
    content = request.model_dump(mode="json", exclude={"seed", "owner"})
    return hashlib.sha256(
        json.dumps([content, input_sha256, mask_sha256], sort_keys=True).encode()
    ).hexdigest()


def job_of(row: JobRow) -> Job:
    return Job(
        **{name: getattr(row, name) for name in _SAME},
        conversation=Conversation(**{name: getattr(row, name) for name in _CONVERSATION}),
        request=GenerationRequest.model_validate_json(row.request),
        state=JobState(row.state),
        error=None if row.error is None else ErrorBody.model_validate_json(row.error),
        notices=tuple(row.notices),
    )


def row_of(job: Job, moved_at: datetime) -> JobRow:
    return JobRow(
        **{name: getattr(job, name) for name in _SAME},
        **{name: getattr(job.conversation, name) for name in _CONVERSATION},
        request=job.request.model_dump_json(),
        fingerprint=fingerprint(job.request, job.input_sha256, job.mask_sha256),
        state=job.state.value,
        error=None if job.error is None else job.error.model_dump_json(),
        notices=list(job.notices),
        moved_at=moved_at,
    )


def columns_of(changes: dict[str, Any]) -> dict[str, Any]:
    """The column values for `Changes` of a job."""
    columns = dict(changes)
    if "next_attempt" in columns:
        columns["attempt"] = columns.pop("next_attempt")
    if "error" in columns:
        columns["error"] = columns["error"].model_dump_json()
    if "notices" in columns:
        columns["notices"] = list(columns["notices"])
    return columns


def image_of(row: ImageRow) -> StoredImage:
    return StoredImage(**{name: getattr(row, name) for name in _IMAGE})


def image_row(job_id: str, image: StoredImage) -> ImageRow:
    return ImageRow(job_id=job_id, **{name: getattr(image, name) for name in _IMAGE})
