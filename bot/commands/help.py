"""/help: every command and option, read from the commands themselves, and how the engine is."""

import discord
from discord import app_commands

from bot.client import AnyCommand, Darkroom
from bot.ui import words
from bot.ui.answers import defer_reply

MAX_DESCRIPTION = 4096  # Discord's limit on an embed's description


@app_commands.command(name="help", description="What this bot can do, and how the engine is")
async def help_command(interaction: discord.Interaction[Darkroom]) -> None:
    await defer_reply(interaction, private=True)
    desk = interaction.client.desk
    capabilities = await desk.catalogue.known()
    engine = words.engine_status(capabilities, away=desk.engine.is_away)
    listing = "\n".join(describe(command) for command in interaction.client.commands)
    text = f"{listing}\n\n{words.PROMPT_HELP}\n\n{words.BUTTONS}\n\n{engine} {words.models(capabilities)}"
    await interaction.edit_original_response(
        embed=discord.Embed(title="Darkroom", description=words.shorten(text, MAX_DESCRIPTION))
    )


def describe(command: AnyCommand) -> str:
    """A command with its options, as Markdown."""
    options = "".join(
        f"\n- `{option.name}`{' (needed)' if option.required else ''} {option.description}"
        for option in command.parameters
    )
    return f"**/{command.qualified_name}** {command.description}{options}"
