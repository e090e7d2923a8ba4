"""/imagine: words, and perhaps a picture, to a picture."""

import asyncio
import secrets
from dataclasses import replace

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.attachments import fetch
from bot.client import Darkroom
from bot.commands.choices import Choices, offered
from bot.commands.submitting import submit
from bot.errors import DarkroomError
from bot.framing import Direction, direction_of, framed, scaled
from bot.input_images import InputImage
from bot.jobs.inputs import Inputs
from bot.masks import BLUR, fetch_mask
from bot.menus import find_model
from bot.postprocess import Postprocess
from bot.redraw import Redraw, is_roomy
from bot.requests import MIN_STRENGTH, Options, build
from bot.sizes import ASPECTS, preset_sizes
from bot.ui.answers import promise_reply
from engine.wire import (
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_HIRES_SCALE,
    MAX_PROMPT_CHARS,
    MAX_SEED,
    MAX_STEPS,
    Capabilities,
    Seamless,
    Task,
)

Interaction = discord.Interaction[Darkroom]
# a model with none of these is for another command
TASKS = {Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT}
DIRECTIONS = [
    Choice(name="zoom out", value=Direction.OUT.value),
    *(Choice(name=f"to the {each}", value=each.value) for each in (Direction.LEFT, Direction.RIGHT)),
    Choice(name="upwards", value=Direction.UP.value),
    Choice(name="downwards", value=Direction.DOWN.value),
]
AXES = [
    Choice(name="on all sides", value=Seamless.BOTH.value),
    Choice(name="left and right", value=Seamless.X.value),
    Choice(name="above and below", value=Seamless.Y.value),
]


@app_commands.command(name="imagine", description="Draw a picture from words")
@app_commands.describe(
    prompt="What to draw",
    negative_prompt="What to keep out of the picture",
    image="A picture to start from: PNG, JPEG or WEBP",
    strength="With an image: how much of it is drawn anew, 1 is all of it",
    mask="With an image: draw anew only where this is white, or see-through",
    outpaint="With an image: draw more of it to this side",
    size="A shape such as 4:5, or a width and a height such as 512x768",
    count="How many pictures, each with the next seed",
    steps="More steps take longer and refine the picture",
    guidance="How strictly the prompt is followed",
    seed="The same seed and options draw the same picture",
    sampler="The method that takes noise away",
    schedule="How the noise is spread over the steps",
    model="Which model draws",
    hires="Draw it twice, the second time this many times as large and in more detail",
    tiling="Copies laid side by side fit without a seam",
)
@app_commands.choices(outpaint=DIRECTIONS, tiling=AXES)
async def imagine(
    interaction: Interaction,
    prompt: Range[str, 1, MAX_PROMPT_CHARS],
    negative_prompt: Range[str, 0, MAX_PROMPT_CHARS] = "",
    image: discord.Attachment | None = None,
    strength: Range[float, MIN_STRENGTH, 1.0] | None = None,
    mask: discord.Attachment | None = None,
    outpaint: str | None = None,
    size: str | None = None,
    count: Range[int, 1, MAX_COUNT] | None = None,
    steps: Range[int, 1, MAX_STEPS] | None = None,
    guidance: Range[float, 0.0, MAX_GUIDANCE] | None = None,
    seed: Range[int, 0, MAX_SEED] | None = None,
    sampler: str | None = None,
    schedule: str | None = None,
    model: str | None = None,
    hires: Range[float, 1.0, MAX_HIRES_SCALE] | None = None,
    tiling: str | None = None,
) -> None:
    message_id = await promise_reply(interaction)
    options = Options(
        prompt=prompt,
        negative_prompt=negative_prompt,
        strength=strength,
        size=size,
        count=count,
        steps=steps,
        guidance=guidance,
        seed=seed,
        sampler=sampler,
        schedule=schedule,
        model=model,
        redraw=Redraw(mask=mask is not None, outpaint=outpaint),
        tiling=tiling,
        postprocess=Postprocess(hires=None if hires is None else f"{hires:g}"),
    )
    await _draw(interaction, message_id, options, image, mask)


async def _draw(
    interaction: Interaction,
    message_id: int | None,
    options: Options,
    image: discord.Attachment | None,
    mask: discord.Attachment | None,
) -> None:
    """Check everything, then queue it. Raises Refused, and nothing is queued then."""
    capabilities = await interaction.client.desk.catalogue.capabilities()
    options.redraw.task(has_image=image is not None)  # before anything is fetched: do they go together?
    inputs = Inputs()
    if image is not None:
        picture = await fetch(image, limits=capabilities.limits)
        inputs, options = await _prepared(picture, options, mask, capabilities)
    owner, seed = str(interaction.user.id), secrets.randbelow(MAX_SEED + 1)
    request = build(options, capabilities, owner=owner, random_seed=seed)
    await submit(interaction, message_id, request, inputs)


async def _prepared(
    picture: InputImage, options: Options, mask: discord.Attachment | None, capabilities: Capabilities
) -> tuple[Inputs, Options]:
    """The pictures as they are sent, and what the options say with them. Raises Refused."""
    limits = capabilities.limits
    if mask is not None:
        white = await fetch_mask(mask, picture.size, limits)
        model = find_model(options.model, capabilities, Task.INPAINT)
        redraw = Redraw(mask=True, mask_blur=BLUR, only_masked=is_roomy(picture.size, model))
        return Inputs(image=picture.png, mask=white), replace(options, image=picture.size, redraw=redraw)
    if options.redraw.outpaint is not None:
        model = find_model(options.model, capabilities, Task.OUTPAINT)
        frame = framed(direction_of(options.redraw.outpaint), picture.size, model, limits)
        png = await asyncio.to_thread(scaled, picture.png, frame.picture)
        redraw = Redraw(outpaint=frame.words)
        return Inputs(image=png), replace(options, image=frame.picture, redraw=redraw)
    return Inputs(image=picture.png), replace(options, image=picture.size)


@imagine.autocomplete("size")
async def _sizes(interaction: Interaction, typed: str) -> Choices:
    capabilities = await interaction.client.desk.catalogue.known()
    if capabilities is None:
        return offered(typed, list(ASPECTS), list(ASPECTS))
    try:
        model = find_model(interaction.namespace.model, capabilities)
    except DarkroomError:
        return []
    sizes = preset_sizes(model, capabilities.limits)
    labels = [f"{name} {width}x{height}" for name, (width, height) in sizes.items()]
    return offered(typed, labels, list(sizes))


@imagine.autocomplete("sampler")
async def _samplers(interaction: Interaction, typed: str) -> Choices:
    known = await interaction.client.desk.catalogue.known()
    samplers = () if known is None else known.samplers
    return offered(typed, [each.label for each in samplers], [each.name for each in samplers])


@imagine.autocomplete("schedule")
async def _schedules(interaction: Interaction, typed: str) -> Choices:
    known = await interaction.client.desk.catalogue.known()
    schedules = () if known is None else known.schedules
    return offered(typed, [each.label for each in schedules], [each.name for each in schedules])


@imagine.autocomplete("model")
async def _models(interaction: Interaction, typed: str) -> Choices:
    known = await interaction.client.desk.catalogue.known()
    models = [each for each in known.models if TASKS & set(each.tasks)] if known else []
    return offered(typed, [each.title for each in models], [each.name for each in models])
