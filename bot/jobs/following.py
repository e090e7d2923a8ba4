"""Listening to the engine about one job until it has an outcome, a cancel, or no more time."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from bot.jobs.ports import Engine, EngineAway, EngineError
from engine.wire import TERMINAL, Cancelled, Failed, Finished, Loading, Progress, Queued

log = logging.getLogger(__name__)

CANCEL_S = 60.0  # the engine answers a cancel at its next step; a person need not wait longer than this


async def follow(
    engine: Engine,
    job_id: str,
    *,
    hear: Callable[[Queued | Loading | Progress], Awaitable[None]],
    cancelled: asyncio.Event,
    deadline: Callable[[], float | None],
) -> Finished | Failed | Cancelled | None:
    """The job's last event; `hear` gets those before it.

    `cancelled` is passed on to the engine, which then has a minute to answer. `deadline` is asked again after
    every event: on the event loop's clock, None for as long as it takes. Returns None when time was up.
    Raises EngineAway or EngineRefused where the stream broke for good.
    """
    timeout = asyncio.timeout_at(deadline())
    try:
        async with (
            timeout,
            _passing_on(cancelled, engine, job_id, timeout),
            aclosing(engine.events(job_id)) as events,
        ):
            async for event in events:
                if isinstance(event, TERMINAL):
                    return event
                await hear(event)
                if not cancelled.is_set():
                    timeout.reschedule(deadline())
    except TimeoutError:
        if timeout.expired():
            return None
        raise
    raise EngineAway("the event stream ended before the job did")


@asynccontextmanager
async def _passing_on(
    cancelled: asyncio.Event, engine: Engine, job_id: str, timeout: asyncio.Timeout
) -> AsyncGenerator[None]:
    async def pass_on() -> None:
        await cancelled.wait()
        try:
            timeout.reschedule(asyncio.get_running_loop().time() + CANCEL_S)
            await engine.release(job_id)
        except EngineError as error:
            log.info("job %s: cancel not passed on: %s", job_id, error)
        except Exception:
            log.exception("job %s: cancel not passed on", job_id)

    task = asyncio.create_task(pass_on(), name=f"cancel of {job_id}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
