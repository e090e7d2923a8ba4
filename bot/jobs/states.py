"""What a job is, the states it goes through, and the moves between them. Pure: no database, no Discord.

    received ──► queued ──► running ──► generated ──► posting ──► posted
       │            │  ▲       │            │            │
       │            │  └───────┘ engine lost, or full: offered again
       └────────────┴──────────┴────────────┴────────────┴──► failed | cancelled | expired

`failed`, `cancelled` and `expired` are reached only once the person has been told. Cancelling is a
request (`cancel_requested_at`, by whom), not a state. Each move is one guarded UPDATE in the store.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.wire import ErrorBody, GenerationRequest


class JobState(StrEnum):
    RECEIVED = "received"  # the row is committed; the person has not been told yet
    QUEUED = "queued"  # the person knows; waiting for the engine, or in its queue
    RUNNING = "running"  # the engine has begun to draw
    GENERATED = "generated"  # the images are in our own files
    POSTING = "posting"  # a send to Discord may have happened: look before sending again
    POSTED = "posted"  # Discord confirmed the message
    FAILED = "failed"  # could not be drawn, and the person was told why
    CANCELLED = "cancelled"  # somebody asked for it, and the person was told
    EXPIRED = "expired"  # waited longer than the operator allows, and the person was told


_ENDS = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})

MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.RECEIVED: frozenset({JobState.QUEUED, JobState.RUNNING}) | _ENDS,
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.GENERATED}) | _ENDS,
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.GENERATED}) | _ENDS,
    JobState.GENERATED: frozenset({JobState.POSTING}) | _ENDS,
    JobState.POSTING: frozenset({JobState.POSTED, JobState.FAILED}),
    JobState.POSTED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.EXPIRED: frozenset(),
}
UNFINISHED = frozenset(state for state, targets in MOVES.items() if targets)


def sources(target: JobState) -> frozenset[JobState]:
    """The states from which a job may move to `target`: the guard of the UPDATE."""
    return frozenset(state for state, targets in MOVES.items() if target in targets)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Where a job was asked for and where its picture goes. Plain numbers: no Discord objects.

    `token` answers the interaction until `token_expires_at` (15 minutes after it was made); after that
    only `channel_id` is left. `message_id` is the reply, once known. `upload_limit` is in bytes per file.
    """

    interaction_id: int
    user_id: int
    channel_id: int
    guild_id: int | None
    token: str
    token_expires_at: datetime
    message_id: int | None = None
    upload_limit: int = 20 * 1024 * 1024
    locale: str = "en-US"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request on its way. A snapshot of its row: read again after every move.

    `attempt` counts dispatches and fences off late events of earlier ones; `crashes` counts the times the
    engine died while drawing it. `input_sha256` names the input image in the file store, and
    `mask_sha256` its mask. `description` is what a picture was described by, where that was asked for.
    `parent_id` is the job whose button asked for this one.
    """

    id: str
    conversation: Conversation
    request: GenerationRequest
    state: JobState
    created_at: datetime
    input_sha256: str | None = None
    mask_sha256: str | None = None
    parent_id: str | None = None
    attempt: int = 0
    crashes: int = 0
    cancel_requested_at: datetime | None = None
    cancel_requested_by: int | None = None
    error: ErrorBody | None = None
    seconds: float | None = None
    notices: tuple[str, ...] = ()
    description: str | None = None
    posted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """One picture of a job in the file store, with its thumbnail (a small JPEG)."""

    index: int
    sha256: str
    thumbnail_sha256: str
    media_type: str
    width: int
    height: int
    seed: int
    bytes: int
    infotext: str
