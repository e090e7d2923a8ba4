"""/describe: a picture to words, with a button that draws them."""

import discord
from discord import app_commands

from bot.attachments import fetch
from bot.client import Darkroom
from bot.commands.submitting import submit
from bot.errors import Refused
from bot.jobs.inputs import Inputs
from bot.menus import find_model
from bot.tasks import to_describe
from bot.ui.answers import promise_reply
from engine.wire import Task

MOST_SIDE = 512  # pixels: a CLIP looks at fewer, and the picture is shown again with its description


@app_commands.command(name="describe", description="Say in words what is in a picture")
@app_commands.describe(image="The picture: PNG, JPEG or WEBP")
async def describe(interaction: discord.Interaction[Darkroom], image: discord.Attachment) -> None:
    message_id = await promise_reply(interaction)
    capabilities = await interaction.client.desk.catalogue.capabilities()
    model = find_model(None, capabilities, Task.DESCRIBE)
    if Task.DESCRIBE not in model.tasks:
        raise Refused("This engine has no CLIP that could describe a picture. Whoever runs it can add one.")
    request = to_describe(model, owner=str(interaction.user.id))
    small = capabilities.limits.model_copy(update={"max_side": MOST_SIDE})
    picture = await fetch(image, limits=small)
    await submit(interaction, message_id, request, Inputs(image=picture.png))
