"""/imagine: words, and perhaps a picture, to a picture."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.attachments import fetch
from bot.client import Darkroom
from bot.errors import DarkroomError
from bot.menus import closest, find_model
from bot.requests import MIN_STRENGTH, Options, build
from bot.sizes import ASPECTS, preset_sizes
from bot.ui.answers import conversation, keep_promise, promise_reply
from engine.wire import MAX_COUNT, MAX_GUIDANCE, MAX_PROMPT_CHARS, MAX_SEED, MAX_STEPS

MAX_CHOICES = 25  # Discord's limits on autocomplete: this many, and 100 characters each
MAX_CHOICE_CHARS = 100
Interaction = discord.Interaction[Darkroom]
Choices = list[Choice[str]]


@app_commands.command(name="imagine", description="Draw a picture from words")
@app_commands.describe(
    prompt="What to draw",
    negative_prompt="What to keep out of the picture",
    image="A picture to start from: PNG, JPEG or WEBP",
    strength="With an image: how much of it is drawn anew, 1 is all of it",
    size="A shape, or a width and a height such as 512x768",
    count="How many pictures, each with the next seed",
    steps="More steps take longer and refine the picture",
    guidance="How strictly the prompt is followed",
    seed="The same seed and options draw the same picture",
    sampler="The method that takes noise away",
    schedule="How the noise is spread over the steps",
    model="Which model draws",
)
async def imagine(
    interaction: Interaction,
    prompt: Range[str, 1, MAX_PROMPT_CHARS],
    negative_prompt: Range[str, 0, MAX_PROMPT_CHARS] = "",
    image: discord.Attachment | None = None,
    strength: Range[float, MIN_STRENGTH, 1.0] | None = None,
    size: str | None = None,
    count: Range[int, 1, MAX_COUNT] | None = None,
    steps: Range[int, 1, MAX_STEPS] | None = None,
    guidance: Range[float, 0.0, MAX_GUIDANCE] | None = None,
    seed: Range[int, 0, MAX_SEED] | None = None,
    sampler: str | None = None,
    schedule: str | None = None,
    model: str | None = None,
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
    )
    await _draw(interaction, message_id, options, image)


async def _draw(
    interaction: Interaction, message_id: int | None, options: Options, image: discord.Attachment | None
) -> None:
    """Check everything, then queue it. Raises Refused, and nothing is queued then."""
    desk = interaction.client.desk
    capabilities = await desk.catalogue.capabilities()
    png = None
    if image is not None:
        picture = await fetch(image, limits=capabilities.limits)
        png, options = picture.png, replace(options, image=picture.size)
    owner, seed = str(interaction.user.id), secrets.randbelow(MAX_SEED + 1)
    request = build(options, capabilities, owner=owner, random_seed=seed)
    await desk.dispatcher.submit(await conversation(interaction, message_id), request, png)
    await keep_promise(interaction)


@imagine.autocomplete("size")
async def _sizes(interaction: Interaction, typed: str) -> Choices:
    capabilities = await interaction.client.desk.catalogue.known()
    if capabilities is None:
        return _choices(typed, list(ASPECTS), list(ASPECTS))
    try:
        model = find_model(interaction.namespace.model, capabilities)
    except DarkroomError:
        return []
    sizes = preset_sizes(model, capabilities.limits)
    labels = [f"{name} {width}x{height}" for name, (width, height) in sizes.items()]
    return _choices(typed, labels, list(sizes))


@imagine.autocomplete("sampler")
async def _samplers(interaction: Interaction, typed: str) -> Choices:
    offered = await interaction.client.desk.catalogue.known()
    samplers = () if offered is None else offered.samplers
    return _choices(typed, [each.label for each in samplers], [each.name for each in samplers])


@imagine.autocomplete("schedule")
async def _schedules(interaction: Interaction, typed: str) -> Choices:
    offered = await interaction.client.desk.catalogue.known()
    schedules = () if offered is None else offered.schedules
    return _choices(typed, [each.label for each in schedules], [each.name for each in schedules])


@imagine.autocomplete("model")
async def _models(interaction: Interaction, typed: str) -> Choices:
    offered = await interaction.client.desk.catalogue.known()
    models = () if offered is None else offered.models
    return _choices(typed, [each.title for each in models], [each.name for each in models])


def _choices(typed: str, labels: Sequence[str], values: Sequence[str]) -> Choices:
    """The likeliest choices for what was typed. A value too long for Discord is left out."""
    by_label = dict(zip(labels, values, strict=True))
    return [
        Choice(name=label[:MAX_CHOICE_CHARS], value=by_label[label])
        for label in closest(typed, by_label, MAX_CHOICES)
        if len(by_label[label]) <= MAX_CHOICE_CHARS
    ]
