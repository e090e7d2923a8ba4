"""What the buttons under a picture draw: a new job of whoever pressed, from the job and the picture above them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord

from bot import sequels
from bot.errors import Refused
from bot.framing import Direction, scaled
from bot.jobs.inputs import NOTHING, Inputs
from bot.jobs.states import Job, StoredImage
from bot.ui import words
from bot.ui.actions import Action
from bot.ui.answers import conversation, keep_promise, promise_reply
from engine.wire import MAX_SEED, Capabilities, GenerationRequest

if TYPE_CHECKING:
    from bot.client import Darkroom, Desk

    Press = discord.Interaction[Darkroom]

Wish = tuple[GenerationRequest, Inputs]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What there is to go on from: the job, which of its pictures, and who asks, with a new seed."""

    desk: "Desk"
    job: Job
    index: int
    owner: str
    seed: int

    async def capabilities(self) -> Capabilities:
        return await self.desk.catalogue.capabilities()

    async def picture(self) -> StoredImage:
        """Raises Refused where it was deleted."""
        for image in await self.desk.history.images(self.job.id):
            if image.index == self.index:
                return image
        raise Refused(words.GONE)

    async def read(self, sha256: str, media_type: str = "image/png") -> bytes:
        """Raises Refused where the file is gone."""
        try:
            return await self.desk.files.read(sha256, media_type)
        except FileNotFoundError:
            raise Refused(words.GONE) from None

    async def inputs(self) -> Inputs:
        """The pictures that the job itself was given."""
        image, mask = [
            None if sha256 is None else await self.read(sha256)
            for sha256 in (self.job.input_sha256, self.job.mask_sha256)
        ]
        return Inputs(image=image, mask=mask)


async def draw(interaction: "Press", action: Action, job_id: str, index: int) -> None:
    """What this button asks for, from picture `index` of the job. Raises Refused."""
    await _submit(interaction, job_id, index, _SEQUELS[action])


async def draw_edited(interaction: "Press", job_id: str, prompt: str, negative_prompt: str) -> None:
    """The same with other words. Raises Refused."""

    async def edited(origin: Origin) -> Wish:
        limits = (await origin.capabilities()).limits
        request = sequels.edited(
            origin.job.request,
            limits,
            owner=origin.owner,
            prompt=prompt,
            negative_prompt=negative_prompt,
        )
        return request, await origin.inputs()

    await _submit(interaction, job_id, 0, edited)


async def _submit(
    interaction: "Press", job_id: str, index: int, sequel: Callable[[Origin], Awaitable[Wish]]
) -> None:
    """Promise, find what there is to go on from, queue what comes of it."""
    message_id = await promise_reply(interaction)
    desk = interaction.client.desk
    origin = Origin(
        desk=desk,
        job=await known(desk, job_id),
        index=index,
        owner=str(interaction.user.id),
        seed=secrets.randbelow(MAX_SEED + 1),
    )
    request, inputs = await sequel(origin)
    await desk.dispatcher.submit(await conversation(interaction, message_id), request, inputs, job_id)
    await keep_promise(interaction)


async def known(desk: "Desk", job_id: str) -> Job:
    """Raises Refused where the job was deleted."""
    job = await desk.history.get(job_id)
    if job is None:
        raise Refused(words.GONE)
    return job


async def _again(origin: Origin) -> Wish:
    request = sequels.again(origin.job.request, owner=origin.owner, seed=origin.seed)
    return request, await origin.inputs()


async def _variation(origin: Origin) -> Wish:
    image = await origin.picture()
    request = sequels.variation(
        origin.job.request, await origin.capabilities(), owner=origin.owner, seed=origin.seed
    )
    return request, Inputs(image=await origin.read(image.sha256, image.media_type))


async def _upscaled(origin: Origin) -> Wish:
    image = await origin.picture()
    request = sequels.upscaled(
        origin.job.request, (image.width, image.height), await origin.capabilities(), owner=origin.owner
    )
    return request, Inputs(image=await origin.read(image.sha256, image.media_type))


def _reframed(direction: Direction) -> Callable[[Origin], Awaitable[Wish]]:
    async def reframed(origin: Origin) -> Wish:
        image = await origin.picture()
        request, frame = sequels.reframed(
            origin.job.request,
            direction,
            (image.width, image.height),
            await origin.capabilities(),
            owner=origin.owner,
            seed=origin.seed,
        )
        data = await origin.read(image.sha256, image.media_type)
        return request, Inputs(image=await asyncio.to_thread(scaled, data, frame.picture))

    return reframed


async def _described(origin: Origin) -> Wish:
    request = sequels.drawn_from(
        origin.job.description or "", await origin.capabilities(), owner=origin.owner, seed=origin.seed
    )
    return request, NOTHING


_SEQUELS: dict[Action, Callable[[Origin], Awaitable[Wish]]] = {
    Action.AGAIN: _again,
    Action.VARIATION: _variation,
    Action.UPSCALE: _upscaled,
    Action.DRAW: _described,
    Action.OUT: _reframed(Direction.OUT),
    Action.LEFT: _reframed(Direction.LEFT),
    Action.UP: _reframed(Direction.UP),
    Action.DOWN: _reframed(Direction.DOWN),
    Action.RIGHT: _reframed(Direction.RIGHT),
}
