"""The end of every command that draws: its job is committed, and so its promise is kept."""

import discord

from bot.client import Darkroom
from bot.jobs.inputs import Inputs
from bot.ui.answers import conversation, keep_promise
from engine.wire import GenerationRequest


async def submit(
    interaction: discord.Interaction[Darkroom],
    message_id: int | None,
    request: GenerationRequest,
    inputs: Inputs,
) -> None:
    """`message_id` is what `promise_reply` returned. Raises Refused, and nothing is queued then."""
    where = await conversation(interaction, message_id)
    await interaction.client.desk.dispatcher.submit(where, request, inputs)
    await keep_promise(interaction)
