"""/queue: what a person waits for, and what the bot is busy with."""

import discord
from discord import app_commands

from bot.client import Darkroom
from bot.ui import words
from bot.ui.answers import defer_reply


@app_commands.command(name="queue", description="Your waiting pictures, and how busy the engine is")
async def queue(interaction: discord.Interaction[Darkroom]) -> None:
    await defer_reply(interaction, private=True)
    desk = interaction.client.desk
    mine = await desk.history.unfinished(interaction.user.id)
    entries = [words.queue_entry(job, desk.dispatcher.latest(job.id)) for job in mine]
    engine = words.engine_status(await desk.catalogue.known(), away=desk.engine.is_away)
    totals = words.totals(await desk.history.waiting_total(), engine)
    await interaction.edit_original_response(content=words.queue(entries, totals))
