"""Bringing words and pictures to the chat, until it took them or never will.

A send whose outcome is unknown is never repeated blindly: the next one looks first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

from bot.history.files import EXTENSIONS, PictureFiles
from bot.jobs import reasons
from bot.jobs.fit import fit
from bot.jobs.notices import Notices
from bot.jobs.ports import Chat, ChatGone, ChatTooLarge, ChatUnavailable, Upload
from bot.jobs.states import Job, StoredImage

log = logging.getLogger(__name__)

MESSAGE_LIMIT = (
    25 * 1024 * 1024 - 64 * 1024
)  # bytes in one request to Discord, less the text around the files

SEND_S = 60.0
SLOW_UPLOAD = 50_000  # bytes a second: a picture may take its time on a poor line

T = TypeVar("T")


class Delivery:
    """The chat with patience. After `give_up_hours` of silence it counts as gone."""

    def __init__(
        self,
        *,
        chat: Chat,
        files: PictureFiles,
        edit_every_s: float,
        give_up_hours: float,
        clock: Callable[[], datetime],
        backoff: Callable[[int], float],
        message_limit: int = MESSAGE_LIMIT,
    ) -> None:
        self._chat = chat
        self._files = files
        self._edit_every_s = edit_every_s
        self._give_up_after = timedelta(hours=give_up_hours)
        self._clock = clock
        self._backoff = backoff
        self._message_limit = message_limit

    def notices(self) -> Notices:
        """The edits of one job until its picture is there."""
        return Notices(chat=self._chat, every_s=self._edit_every_s)

    async def tell(self, job: Job, text: str) -> None:
        """Replace the message by a last sentence. Raises ChatGone."""
        await self._patiently(job, lambda _: self._chat.tell(job, text), within=SEND_S)

    async def post(
        self, job: Job, images: Sequence[StoredImage], *, look_first: bool
    ) -> tuple[int, tuple[str, ...]]:
        """Post the pictures; return the message id and the notices that were shown. Raises ChatGone.

        `look_first` says that an earlier send may have arrived. Where the chat takes less than it said, the
        pictures are made smaller once more.
        """
        limit = self._limit(job, images)
        try:
            return await self._post(job, images, limit, look_first=look_first)
        except ChatTooLarge:
            smaller = min(limit, max(image.bytes for image in images)) // 2
            log.warning("job %s: the chat takes less than %d bytes; trying %d", job.id, limit, smaller)
            return await self._post(job, images, smaller, look_first=look_first)

    async def _post(
        self, job: Job, images: Sequence[StoredImage], limit: int, *, look_first: bool
    ) -> tuple[int, tuple[str, ...]]:
        """Post with every picture at most `limit` bytes."""
        compressed = await self._compress([image for image in images if image.bytes > limit], limit)
        if compressed:
            job = replace(job, notices=(*job.notices, reasons.compressed(len(compressed), limit)))
        uploads = [self._upload(job, image, compressed.get(image.index)) for image in images]
        uploads = uploads or self._described(job)
        try:
            message_id = await self._patiently(
                job,
                lambda again: self._chat.post(job, uploads, look_first=look_first or again),
                within=SEND_S + sum(image.bytes for image in images) / SLOW_UPLOAD,
            )
        finally:
            await self._files.remove(compressed.values())
        return message_id, job.notices

    async def _patiently(self, job: Job, send: Callable[[bool], Awaitable[T]], *, within: float) -> T:
        """Call `send(again)` until the chat takes it; each call has `within` seconds."""
        give_up_at = self._clock() + self._give_up_after
        for tries in count(1):
            try:
                async with asyncio.timeout(within):
                    return await send(tries > 1)
            except (ChatUnavailable, TimeoutError) as error:
                log.warning(
                    "job %s: the chat did not answer (try %d): %s", job.id, tries, error or "too slow"
                )
                if self._clock() >= give_up_at:
                    raise ChatGone("the chat did not answer for too long") from error
            await asyncio.sleep(self._backoff(tries))
        raise AssertionError("count() never ends")

    def _limit(self, job: Job, images: Sequence[StoredImage]) -> int:
        """How many bytes one file may have, here and together with the others."""
        limit = job.conversation.upload_limit
        if sum(min(image.bytes, limit) for image in images) > self._message_limit:
            limit = min(limit, self._message_limit // len(images))
        return limit

    async def _compress(self, images: Sequence[StoredImage], limit: int) -> dict[int, str]:
        """The names of smaller files, by the index of their picture. They are kept only for the post."""
        names = {}
        for image in images:
            path = self._files.path(image.sha256, image.media_type)
            data = await asyncio.to_thread(fit, path, limit, image.infotext)
            names[image.index] = await self._files.write(data, "image/webp")
        return names

    def _described(self, job: Job) -> list[Upload]:
        """The picture that a description is about, so that everybody sees what was described."""
        if job.description is None or job.input_sha256 is None:
            return []
        path, alt_text = self._files.path(job.input_sha256), reasons.described(job.description)
        return [Upload(filename=f"darkroom-{job.id}.png", path=path, alt_text=alt_text)]

    def _upload(self, job: Job, image: StoredImage, compressed: str | None) -> Upload:
        media_type = image.media_type if compressed is None else "image/webp"
        return Upload(
            filename=f"darkroom-{job.id}-{image.index + 1}.{EXTENSIONS[media_type]}",
            path=self._files.path(compressed or image.sha256, media_type),
            alt_text=reasons.alt_text(job.request.prompt),
        )
