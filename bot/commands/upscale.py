"""/upscale: a picture made larger; with words, drawn anew at four times the size."""

import secrets

import discord
from discord import app_commands
from discord.app_commands import Range

from bot.attachments import fetch
from bot.client import Darkroom
from bot.commands.choices import Choices, offered
from bot.commands.submitting import submit
from bot.errors import Refused
from bot.jobs.inputs import Inputs
from bot.postprocess import Postprocess, best_upscaler, check_enlarged
from bot.requests import Options, build
from bot.tasks import size_to_upscale
from bot.ui.answers import promise_reply
from engine.wire import MAX_POST_SCALE, MAX_PROMPT_CHARS, MAX_SEED, UPSCALE_FACTOR, Capabilities, Task

Interaction = discord.Interaction[Darkroom]


@app_commands.command(name="upscale", description="Make a picture larger")
@app_commands.describe(
    image="The picture: PNG, JPEG or WEBP",
    scale="How many times as wide and high, 2 if left out",
    upscaler="What enlarges it",
    prompt="Have a model draw it anew four times as large: what is in the picture",
)
async def upscale(
    interaction: Interaction,
    image: discord.Attachment,
    scale: Range[float, 1.0, MAX_POST_SCALE] | None = None,
    upscaler: str | None = None,
    prompt: Range[str, 0, MAX_PROMPT_CHARS] = "",
) -> None:
    message_id = await promise_reply(interaction)
    capabilities = await interaction.client.desk.catalogue.capabilities()
    picture = await fetch(image, limits=capabilities.limits, keep_size=True)
    if prompt.strip():
        options = _drawn(prompt, scale, upscaler, picture.size, capabilities)
    else:
        options = _enlarged(scale or 2, upscaler, picture.size, capabilities)
    request = build(
        options,
        capabilities,
        owner=str(interaction.user.id),
        random_seed=secrets.randbelow(MAX_SEED + 1),
    )
    await submit(interaction, message_id, request, Inputs(image=picture.png))


@upscale.autocomplete("upscaler")
async def _upscalers(interaction: Interaction, typed: str) -> Choices:
    capabilities = await interaction.client.desk.catalogue.known()
    names = () if capabilities is None else capabilities.upscalers
    return offered(typed, names, names)


def _enlarged(
    scale: float, upscaler: str | None, size: tuple[int, int], capabilities: Capabilities
) -> Options:
    """By an upscaler. Raises Refused where the result would be too large."""
    check_enlarged(size, scale, capabilities.limits)
    name = upscaler or best_upscaler(capabilities)
    return Options(prompt="", image=size, postprocess=Postprocess(upscale=f"{name}:{scale:g}"))


def _drawn(
    prompt: str, scale: float | None, upscaler: str | None, size: tuple[int, int], capabilities: Capabilities
) -> Options:
    """By a model that was trained for it. Raises Refused."""
    if scale not in (None, UPSCALE_FACTOR) or upscaler is not None:
        raise Refused(
            f"With a prompt a model draws the picture {UPSCALE_FACTOR} times as large: leave scale and upscaler out,"
            " or prompt."
        )
    if not any(Task.UPSCALE in model.tasks for model in capabilities.models):
        raise Refused("No model here can upscale by words: leave prompt out.")
    try:
        size_to_upscale(size, None, capabilities.limits)
    except Refused as refused:
        raise Refused(f"{refused} Without a prompt an upscaler enlarges larger ones.") from None
    return Options(prompt=prompt, image=size, task=Task.UPSCALE)
