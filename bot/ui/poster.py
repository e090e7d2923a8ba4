"""The chat of `bot/jobs/ports.py` on Discord: one message per job, from "queued" to the pictures.

Within the interaction's 15 minutes the reply is edited with the interaction's token, which works wherever
the command was used. After that the same message is edited as the bot; where it cannot be, a new message
is sent with a nonce made from the job id. Edits may run twice with the same effect; only a send may not.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import io
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, TypeVar

import aiohttp
import discord

from bot.catalogue import Catalogue
from bot.jobs.ports import ChatGone, ChatTooLarge, ChatUnavailable, Upload
from bot.jobs.states import Job
from bot.ui import words
from bot.ui.answers import is_closed
from bot.ui.buttons import result_view, waiting_view
from engine.wire import Loading, Progress, Queued

log = logging.getLogger(__name__)

TOKEN_MARGIN = timedelta(seconds=30)  # an edit begun later might arrive too late
LOOK_BACK = 100  # messages read when looking for one that may have been sent
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

# Discord's JSON error codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes
UNKNOWN_CHANNEL = 10003
UNKNOWN_MESSAGE = 10008
UNKNOWN_WEBHOOK = 10015
INVALID_TOKEN = 50027
TOO_OLD_TO_EDIT = 30046
BLOCKED_BY_AUTOMOD = frozenset({200000, 200001})
TOKEN_ENDED = frozenset({INVALID_TOKEN, UNKNOWN_WEBHOOK})


class BlockedByAutoMod(ChatGone):
    """The server's AutoMod does not let the text through."""


class Look(TypedDict, total=False):
    """What a message shows. A key that is absent stays as it is in the message."""

    content: str
    attachments: list[discord.File]
    view: discord.ui.View | None


MakeLook = Callable[[], Look]  # made anew for every try: a file is read up when it is sent
T = TypeVar("T")


class Poster:
    """One conversation's message on Discord. Raises ChatUnavailable and ChatGone, nothing else on purpose."""

    def __init__(
        self, *, client: discord.Client, catalogue: Catalogue, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._catalogue = catalogue
        self._clock = clock

    async def waiting(self, job: Job, event: Queued | None, reason: str | None) -> None:
        """The job's place, or why it has none. The preview of an earlier attempt disappears."""

        def look(prompt: bool) -> Look:
            content = words.waiting(job, event, reason, show_prompt=prompt)
            return Look(content=content, attachments=[], view=waiting_view(job))

        await self._allowed(look, lambda make: self._edit(job, make))

    async def drawing(self, job: Job, event: Loading | Progress) -> None:
        """Progress, with the newest preview in place of the last."""
        preview = _preview(event)

        def look(prompt: bool) -> Look:
            content = words.drawing(job, event, show_prompt=prompt)
            shown = Look(content=content, view=waiting_view(job))
            if preview is not None:
                shown["attachments"] = [discord.File(io.BytesIO(preview), "preview.jpg")]
            return shown

        await self._allowed(look, lambda make: self._edit(job, make))

    async def post(self, job: Job, uploads: Sequence[Upload], *, look_first: bool) -> int:
        """The pictures with their line and buttons; returns the id of the message that shows them."""
        notices = (*job.notices, await self._catalogue.notice(job.request.model))
        data = [await asyncio.to_thread(upload.path.read_bytes) for upload in uploads]

        def look(prompt: bool) -> Look:
            return Look(
                content=words.result(job, [text for text in notices if text], show_prompt=prompt),
                attachments=[_file(*each, described=prompt) for each in zip(uploads, data, strict=True)],
                view=result_view(job),
            )

        return await self._allowed(look, lambda make: self._put(job, make, "picture", look_first=look_first))

    async def tell(self, job: Job, text: str) -> None:
        """The last word on a job without a picture."""

        def look(prompt: bool) -> Look:
            content = words.ended(job, text, show_prompt=prompt)
            return Look(content=content, attachments=[], view=None)

        await self._allowed(look, lambda make: self._put(job, make, "end", look_first=False))

    async def _allowed(self, look: Callable[[bool], Look], attempt: Callable[[MakeLook], Awaitable[T]]) -> T:
        """Try with the prompt shown, and without it where the server's AutoMod does not let it through."""
        try:
            with _told_apart():
                return await attempt(lambda: look(True))
        except BlockedByAutoMod:
            log.info("AutoMod refused a prompt; shown without it")
        with _told_apart():
            return await attempt(lambda: look(False))

    async def _put(self, job: Job, make: MakeLook, part: str, *, look_first: bool) -> int:
        """Edit the job's message, or send one where it is gone. Returns its id."""
        if (edited := await self._edit(job, make)) is not None:
            return edited
        if look_first and (found := await self._find(job)) is not None:
            return found
        return await self._send(job, make, part)

    async def _edit(self, job: Job, make: MakeLook) -> int | None:
        """The id of the message that was edited; None where there is no message to edit any more."""
        message_id = job.conversation.message_id
        if message_id is None:
            return None
        if self._clock() < job.conversation.token_expires_at - TOKEN_MARGIN:
            try:
                return await self._edit_by_token(job, message_id, make())
            except discord.HTTPException as error:
                if error.code == UNKNOWN_MESSAGE:
                    return None
                if error.code not in TOKEN_ENDED:
                    raise
        return await self._edit_as_bot(job, message_id, make())

    async def _edit_by_token(self, job: Job, message_id: int, look: Look) -> int:
        application_id = self._client.application_id
        assert application_id is not None  # known since login
        webhook = discord.Webhook.partial(application_id, job.conversation.token, client=self._client)
        message = await webhook.edit_message(
            message_id, allowed_mentions=discord.AllowedMentions.none(), **look
        )
        return message.id

    async def _edit_as_bot(self, job: Job, message_id: int, look: Look) -> int | None:
        message = self._channel(job).get_partial_message(message_id)
        try:
            await message.edit(allowed_mentions=discord.AllowedMentions.none(), **look)
        except discord.HTTPException as error:
            if error.code in {UNKNOWN_MESSAGE, TOO_OLD_TO_EDIT}:
                return None
            raise
        return message_id

    async def _send(self, job: Job, make: MakeLook, part: str) -> int:
        shown = make()
        message = await self._channel(job).send(
            shown["content"],
            files=shown["attachments"],
            view=shown["view"] or discord.utils.MISSING,
            allowed_mentions=discord.AllowedMentions.none(),
            nonce=nonce(job.id, part),
        )
        return message.id

    async def _find(self, job: Job) -> int | None:
        """Our own message whose buttons carry the job id, sent since the job was made."""
        me = self._client.user
        after = discord.Object(discord.utils.time_snowflake(job.created_at))
        async for message in self._channel(job).history(limit=LOOK_BACK, after=after, oldest_first=False):
            if me is not None and message.author.id == me.id and _shows(message, job.id):
                return message.id
        return None

    def _channel(self, job: Job) -> discord.PartialMessageable:
        where = job.conversation
        return self._client.get_partial_messageable(where.channel_id, guild_id=where.guild_id)


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    """Discord's errors as the two that the jobs know: it may work later, or it never will."""
    try:
        yield
    except discord.RateLimited as error:
        raise ChatUnavailable(f"Discord asked to wait {error.retry_after:.0f} s") from error
    except discord.HTTPException as error:
        raise _meaning(error) from error
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        raise ChatUnavailable(f"Discord cannot be reached: {type(error).__name__}") from error
    except RuntimeError as error:
        if not is_closed(error):
            raise
        raise ChatUnavailable("the connection to Discord is closed") from error


def _meaning(error: discord.HTTPException) -> Exception:
    if error.status >= 500 or error.status in {408, 429}:
        return ChatUnavailable(f"Discord answered {error.status}")
    if error.code in BLOCKED_BY_AUTOMOD:
        return BlockedByAutoMod("the server's AutoMod does not let the message through")
    if error.status == 403:
        return ChatGone(f"the bot may not write in this channel (code {error.code})")
    if error.code == UNKNOWN_CHANNEL:
        return ChatGone("the channel was deleted")
    if error.status == 413:
        return ChatTooLarge("the files are larger than Discord takes here")
    return ChatGone(f"Discord refused the message (status {error.status}, code {error.code})")


def nonce(job_id: str, part: str) -> str:
    """At most 25 characters, the same for every try: Discord then answers with the message it already has."""
    number = int.from_bytes(hashlib.sha256(f"{job_id}:{part}".encode()).digest()[:15], "big")
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def _shows(message: discord.Message, job_id: str) -> bool:
    return any(key.split(":")[2:3] == [job_id] for row in message.components for key in _custom_ids(row))


def _custom_ids(row: Any) -> list[str]:
    return [child.custom_id for child in getattr(row, "children", ()) if getattr(child, "custom_id", None)]


def _file(upload: Upload, data: bytes, *, described: bool) -> discord.File:
    description = upload.alt_text if described else None
    return discord.File(io.BytesIO(data), upload.filename, description=description)


def _preview(event: Loading | Progress) -> bytes | None:
    if isinstance(event, Loading) or event.preview is None:
        return None
    try:
        return base64.b64decode(event.preview, validate=True)
    except binascii.Error:
        log.warning("the engine sent a preview that is not base64")
        return None
