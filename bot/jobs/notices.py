"""The edits between "queued" and the picture: the newest wins, one at a time, not too often."""

import asyncio
import logging
from dataclasses import dataclass, replace

from bot.jobs.ports import Chat, ChatError
from bot.jobs.states import Job
from engine.wire import Loading, Progress, Queued

log = logging.getLogger(__name__)

EDIT_S = 10.0  # the picture waits for the edit in flight


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a person shall read about a job: an event of the engine, or the reason why it waits."""

    job: Job
    event: Queued | Loading | Progress | None = None
    reason: str | None = None

    def instead_of(self, waiting: "Notice | None") -> "Notice":
        """This one, with the preview of the one that nobody saw: most reports come without, one a second with."""
        event, unseen = self.event, waiting.event if waiting else None
        if not (isinstance(event, Progress) and isinstance(unseen, Progress)) or event.preview is not None:
            return self
        return replace(self, event=event.model_copy(update={"preview": unseen.preview}))


class Notices:
    """One job's edits. Progress is worth nothing once it is old, so an edit that fails is only logged."""

    def __init__(self, *, chat: Chat, every_s: float) -> None:
        self._chat = chat
        self._every_s = every_s
        self._newest: Notice | None = None
        self._next_at = 0.0  # on the event loop's clock
        self._editing = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None

    def show(self, notice: Notice) -> None:
        """Show this next, in place of whatever still waited to be shown."""
        self._newest = notice.instead_of(self._newest)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._edits(), name=f"notices of {notice.job.id}")

    async def show_now(self, notice: Notice) -> bool:
        """Show this and come back once the chat took it (True) or did not (False)."""
        self._newest = None
        return await self._edit(notice)

    async def close(self) -> None:
        """Drop what waits; come back when no edit is in flight, so that none can follow the picture."""
        self._newest = None
        async with self._editing:
            await self.abandon()

    async def abandon(self) -> None:
        """Stop at once, whatever is in flight."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])

    async def _edits(self) -> None:
        loop = asyncio.get_running_loop()
        while self._newest is not None:
            await asyncio.sleep(max(0.0, self._next_at - loop.time()))
            notice, self._newest = self._newest, None
            if notice is not None:
                await self._edit(notice)

    async def _edit(self, notice: Notice) -> bool:
        async with self._editing:
            try:
                async with asyncio.timeout(EDIT_S):
                    await self._send(notice)
            except (ChatError, TimeoutError) as error:
                log.info("job %s: the chat did not take a notice: %s", notice.job.id, error or "too slow")
                return False
            except Exception:
                log.exception("job %s: a notice failed", notice.job.id)
                return False
            finally:
                self._next_at = asyncio.get_running_loop().time() + self._every_s
        return True

    async def _send(self, notice: Notice) -> None:
        if isinstance(notice.event, Loading | Progress):
            await self._chat.drawing(notice.job, notice.event)
        else:
            await self._chat.waiting(notice.job, notice.event, notice.reason)
