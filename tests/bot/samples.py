"""A job, a conversation and an engine's capabilities, to be varied by the tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.jobs.states import Conversation, Job, JobState
from engine.samplers import sampler_menu, schedule_menu
from engine.wire import (
    Capabilities,
    Defaults,
    GenerationRequest,
    ModelInfo,
    Sampler,
    Schedule,
    Task,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def model(name: str = "sd15", **changes: Any) -> ModelInfo:
    defaults = Defaults(
        width=512,
        height=512,
        steps=20,
        guidance_scale=7.5,
        strength=0.75,
        sampler=Sampler.DPMPP_2M,
        schedule=Schedule.KARRAS,
    )
    known = ModelInfo(
        name=name,
        title=f"Model {name}",
        family="sd1",
        tasks=(Task.TXT2IMG, Task.IMG2IMG),
        defaults=defaults,
    )
    return known.model_copy(update=changes)


def capabilities(*models: ModelInfo, **changes: Any) -> Capabilities:
    offered = Capabilities(
        boot_id="boot",
        device="cpu",
        models=models or (model(), model("anything-v3"), model("dreamlike")),
        samplers=sampler_menu(),
        schedules=schedule_menu(),
    )
    return offered.model_copy(update=changes)


def request(**changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {
        "owner": "7",
        "model": "sd15",
        "prompt": "a hamster in a hat",
        "width": 512,
        "height": 512,
        "steps": 20,
        "guidance_scale": 7.5,
        "sampler": Sampler.DPMPP_2M,
        "seed": 123,
    }
    return GenerationRequest(**(fields | changes))


def conversation(**changes: Any) -> Conversation:
    where = Conversation(
        interaction_id=1001,
        user_id=7,
        channel_id=55,
        guild_id=66,
        token="interaction-token",
        token_expires_at=NOW + timedelta(minutes=15),
        message_id=2002,
    )
    return replace(where, **changes)


def job(*, state: JobState = JobState.QUEUED, where: Conversation | None = None, **changes: Any) -> Job:
    """A job of person 7. Keywords that are a request's fields go into the request."""
    own = {name: changes.pop(name) for name in list(changes) if name in Job.__dataclass_fields__}
    fields: dict[str, Any] = {
        "id": "job-1",
        "conversation": where or conversation(),
        "request": request(**changes),
        "state": state,
        "created_at": NOW,
    }
    return Job(**(fields | own))
