"""Answering an interaction: acknowledge it within Discord's three seconds, and say no in words."""

import asyncio
import contextlib
import logging
from typing import Any

import aiohttp
import discord
from discord import InteractionResponseType, app_commands

from bot.errors import DarkroomError, Refused, unexpected
from bot.history.promises import Promise
from bot.jobs.states import Conversation
from bot.ui import words

log = logging.getLogger(__name__)

UNKNOWN_INTERACTION = 10062  # three seconds have passed: nothing can be answered any more
ALREADY_ACKNOWLEDGED = 40060  # a retried or replayed acknowledgement: the first one counts
WRITE_S = 0.5  # Discord waits three seconds for an acknowledgement: a slow disk must not use them up
AnyInteraction = discord.Interaction[Any]


async def defer_reply(interaction: AnyInteraction, *, private: bool = False) -> int | None:
    """Acknowledge with a new reply ("thinking…") and return its message id, where Discord says it."""
    return await _defer(interaction, thinking=True, private=private)


async def promise_reply(interaction: AnyInteraction) -> int | None:
    """As `defer_reply`, with the promise written down first: a bot that is killed still knows what it owes.

    Between "thinking…" and the job's row a picture may have to be fetched and checked.
    """
    promise = Promise(
        interaction_id=interaction.id, token=interaction.token, expires_at=interaction.expires_at
    )
    try:
        async with asyncio.timeout(WRITE_S):
            await interaction.client.desk.history.promises.make(promise)
    except (DarkroomError, TimeoutError):
        log.warning("an interaction is acknowledged although the history did not take it down")
    return await defer_reply(interaction)


async def keep_promise(interaction: AnyInteraction) -> None:
    """The job is committed, or the refusal was shown. Harmless where nothing was promised."""
    with contextlib.suppress(DarkroomError):  # not struck out now: the next start sees that it was kept
        await interaction.client.desk.history.promises.keep(interaction.id)


async def defer_update(interaction: AnyInteraction) -> None:
    """Acknowledge a pressed button without a new reply."""
    await _defer(interaction, thinking=False, private=False)


async def _defer(interaction: AnyInteraction, *, thinking: bool, private: bool) -> int | None:
    for last in (False, True):
        try:
            answer = await interaction.response.defer(thinking=thinking, ephemeral=private)
        except discord.HTTPException as error:
            if error.code != ALREADY_ACKNOWLEDGED:
                raise
            return None
        except (aiohttp.ClientError, OSError):  # the answer was lost; the acknowledgement may have arrived
            if last:
                raise
        else:
            return answer.message_id if answer is not None else None
    return None


async def conversation(interaction: AnyInteraction, message_id: int | None) -> Conversation:
    """Where the job of this interaction was asked for and where its picture goes.

    `message_id` is what `defer_reply` returned; where that is None, Discord is asked.
    """
    if message_id is None:
        message_id = (await interaction.original_response()).id
    assert interaction.channel_id is not None  # Discord sends it with every command and component
    return Conversation(
        interaction_id=interaction.id,
        user_id=interaction.user.id,
        channel_id=interaction.channel_id,
        guild_id=interaction.guild_id,
        token=interaction.token,
        token_expires_at=interaction.expires_at,
        message_id=message_id,
        upload_limit=interaction.filesize_limit,
        locale=interaction.locale.value,
    )


async def answer_error(interaction: AnyInteraction, error: Exception) -> None:
    """Say why a command or a button did nothing: a refusal as written, anything else by reference."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    if isinstance(error, discord.NotFound) and error.code == UNKNOWN_INTERACTION:
        log.warning("an interaction could not be acknowledged within three seconds")
        return
    if is_closed(error):  # the promise stays: told at the next start
        log.warning("an interaction was not answered, since the bot is stopping")
        return
    try:
        await say(interaction, words.refusal(_sentence(interaction, error)))
    except (discord.HTTPException, aiohttp.ClientError, OSError, RuntimeError) as failure:
        if isinstance(failure, RuntimeError) and not is_closed(failure):
            raise
        log.warning("a refusal could not be shown: %s", failure)  # the promise stays: told at the next start
    else:
        await keep_promise(interaction)


def is_closed(error: Exception) -> bool:
    """Whether aiohttp says that its session or connector is closed: as the bot does when it stops."""
    return isinstance(error, RuntimeError | aiohttp.ClientConnectionError) and "is closed" in str(error)


def _sentence(interaction: AnyInteraction, error: Exception) -> str:
    if isinstance(error, app_commands.CommandSignatureMismatch | app_commands.CommandNotFound):
        return words.CHANGED
    if isinstance(error, app_commands.TransformerError):
        return words.CHANGED
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, DarkroomError):  # the rest of our own errors are sentences too
        log.error("could not answer an interaction: %s (%s)", error, error.__cause__)
        return str(error)
    name = interaction.command.qualified_name if interaction.command else "a button"
    return unexpected(error, doing=f"answering {name}")


async def say(interaction: AnyInteraction, text: str) -> None:
    """Show a sentence in the promised reply; privately where none was promised or a button's message stays."""
    kind = interaction.response.type
    if kind is None:
        try:
            await interaction.response.send_message(text, ephemeral=True)
        except discord.HTTPException as error:
            if error.code != ALREADY_ACKNOWLEDGED:
                raise
            await _say_after_all(interaction, text)
    elif kind is InteractionResponseType.deferred_channel_message:
        await interaction.edit_original_response(content=text)
    else:
        await interaction.followup.send(text, ephemeral=True)


async def _say_after_all(interaction: AnyInteraction, text: str) -> None:
    """The acknowledgement arrived although its answer did not: commands were promised a reply, buttons were not."""
    if interaction.type is discord.InteractionType.application_command:
        await interaction.edit_original_response(content=text)
    else:
        await interaction.followup.send(text, ephemeral=True)
