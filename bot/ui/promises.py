"""At a start: those whose request an earlier process acknowledged and lost are told, so that nobody waits for ever."""

import logging
from typing import cast

import aiohttp
import discord

from bot.history.promises import Promise
from bot.history.store import History
from bot.ui import words

_ORIGINAL = cast(int, "@original")  # Discord's name for the reply; discord.py types ids as numbers alone

log = logging.getLogger(__name__)


async def answer_broken_promises(client: discord.Client, history: History) -> None:
    """Tell everybody who is owed an answer and has no job, and strike the promise out. Needs a logged-in client."""
    for promise in await history.promises.owed():
        if await history.by_interaction(promise.interaction_id) is None:
            await _tell(client, promise)
        await history.promises.keep(promise.interaction_id)


async def _tell(client: discord.Client, promise: Promise) -> None:
    assert client.application_id is not None  # known since login
    reply = discord.Webhook.partial(client.application_id, promise.token, client=client)
    try:
        await reply.edit_message(_ORIGINAL, content=words.RESTARTED)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("somebody could not be told that their request was lost: %s", type(error).__name__)
