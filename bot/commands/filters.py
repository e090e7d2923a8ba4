"""/filter: a picture sharpened, smoothed, coloured, its faces restored; nothing is drawn."""

import discord
from discord import app_commands
from discord.app_commands import Range

from bot.attachments import fetch
from bot.client import Darkroom
from bot.commands.submitting import submit
from bot.errors import Refused
from bot.jobs.inputs import Inputs
from bot.postprocess import Postprocess
from bot.ui.answers import promise_reply
from engine.wire import Capabilities, Format

Interaction = discord.Interaction[Darkroom]
NOTHING_CHOSEN = (
    "Choose what is to be done: denoise, faces, brightness, contrast, saturation, temperature or sharpen."
)


@app_commands.command(
    name="filter", description="Sharpen a picture, smooth it, change its colours, restore faces"
)
@app_commands.describe(
    image="The picture: PNG, JPEG or WEBP",
    denoise="Smooth what is not an edge, 0 to 1",
    faces="Draw faces anew, this much of them, 0 to 1",
    brightness="1 changes nothing, 2 is twice as bright",
    contrast="1 changes nothing, 0 is all grey",
    saturation="1 changes nothing, 0 is black and white",
    temperature="-1 is bluer, 1 is redder",
    sharpen="0.5 is a little, 5 is the most",
)
async def filter_picture(
    interaction: Interaction,
    image: discord.Attachment,
    denoise: Range[float, 0.0, 1.0] | None = None,
    faces: Range[float, 0.0, 1.0] | None = None,
    brightness: Range[float, 0.0, 4.0] | None = None,
    contrast: Range[float, 0.0, 4.0] | None = None,
    saturation: Range[float, 0.0, 4.0] | None = None,
    temperature: Range[float, -1.0, 1.0] | None = None,
    sharpen: Range[float, 0.0, 5.0] | None = None,
) -> None:
    message_id = await promise_reply(interaction)
    capabilities = await interaction.client.desk.catalogue.capabilities()
    colours = {
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
        "temperature": temperature,
    }
    steps = _steps(capabilities, denoise, faces, colours, sharpen)
    request = Postprocess(steps=steps).alone(capabilities, owner=str(interaction.user.id), format=Format.PNG)
    picture = await fetch(image, limits=capabilities.limits, keep_size=True)
    await submit(interaction, message_id, request, Inputs(image=picture.png))


def _steps(
    capabilities: Capabilities,
    denoise: float | None,
    faces: float | None,
    colours: dict[str, float | None],
    sharpen: float | None,
) -> tuple[str, ...]:
    """In the order in which a darkroom does it: sharpening last, or noise is sharpened too. Raises Refused."""
    chosen = [f"{name}={value:g}" for name, value in colours.items() if value is not None]
    steps = [
        None if denoise is None else f"denoise strength={denoise:g}",
        None if faces is None else f"faces restorer={_restorer(capabilities)} strength={faces:g}",
        f"colour {' '.join(chosen)}" if chosen else None,
        None if sharpen is None else f"sharpen amount={sharpen:g}",
    ]
    if not any(steps):
        raise Refused(NOTHING_CHOSEN)
    return tuple(filter(None, steps))


def _restorer(capabilities: Capabilities) -> str:
    if not capabilities.restorers:
        raise Refused("faces: this engine has no face restorer. Whoever runs it can add one.")
    return capabilities.restorers[0]
