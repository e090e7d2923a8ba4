"""What a person attached, from Discord's servers.

The bytes come only from the address that Discord resolved for the interaction, never from one a person typed.
"""

import asyncio
import logging

import aiohttp
import discord

from bot.errors import Refused
from bot.input_images import InputImage, check_bytes, normalise
from engine.wire import Limits

log = logging.getLogger(__name__)

DEADLINE_S = 20.0

GONE = "Discord no longer has the file; attach it again."
UNREACHABLE = "it could not be fetched from Discord just now; try again in a moment."


async def fetch(attachment: discord.Attachment, *, limits: Limits, keep_size: bool = False) -> InputImage:
    """Download and check one picture. Raises Refused, before reading where the size alone says no."""
    data = await download(attachment, limits)
    return await asyncio.to_thread(normalise, data, limits, keep_size=keep_size)


async def download(attachment: discord.Attachment, limits: Limits, *, field: str = "image") -> bytes:
    """The bytes of what was attached as the option `field`. Raises Refused."""
    check_bytes(attachment.size, limits, field=field)
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await attachment.read()
    except (discord.NotFound, discord.Forbidden):
        raise Refused(f"{field}: {GONE}") from None
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        log.warning("an attachment could not be fetched: %s", type(error).__name__)
        raise Refused(f"{field}: {UNREACHABLE}") from None
