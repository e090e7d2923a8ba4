"""What the engine offers, remembered: a person can ask for a picture while the engine is away."""

import asyncio
import logging
from typing import Protocol

from pydantic import ValidationError

from bot.errors import DarkroomError, Refused
from bot.jobs.ports import Engine, EngineError
from engine.wire import Capabilities

log = logging.getLogger(__name__)

KEY = "capabilities"
FIRST_ASK_EVERY_S = 1.0  # both programs may be starting at the same moment
ASK_EVERY_S = 60.0


class KeptValues(Protocol):
    """Where values outlive the process: the history's settings table, at the bot's own scope."""

    async def setting(self, scope: str, scope_id: int, key: str) -> object:
        """The value, or None."""

    async def set_setting(self, scope: str, scope_id: int, key: str, value: object) -> None:
        """Keep a value that JSON can hold."""


class Catalogue:
    """The engine's capabilities, from itself or, while it is away, as last heard."""

    def __init__(self, *, engine: Engine, settings: KeptValues) -> None:
        self._engine = engine
        self._settings = settings
        self._last: Capabilities | None = None

    async def capabilities(self) -> Capabilities:
        """What can be asked for now. Raises Refused where the engine was never heard of."""
        try:
            heard = await self._engine.capabilities()
        except EngineError as error:
            log.info("the engine did not say what it offers: %s", error)
            return await self._remembered()
        if heard != self._last:
            await self._settings.set_setting("bot", 0, KEY, heard.model_dump(mode="json"))
            self._last = heard
        return heard

    async def known(self) -> Capabilities | None:
        """As `capabilities`, or None where the engine was never heard of."""
        try:
            return await self.capabilities()
        except DarkroomError:
            return None

    async def watch(self) -> None:
        """Ask now and then, for ever, so that what the engine offers is known before it is first away."""
        while True:
            try:
                await self.capabilities()
            except Refused:
                log.debug("the engine has not been up yet")
            except DarkroomError as error:
                log.warning("what the engine offers could not be kept: %s", error)
            await asyncio.sleep(ASK_EVERY_S if self._last else FIRST_ASK_EVERY_S)

    async def notice(self, model: str) -> str:
        """What has to be said with every picture of this model, or an empty text."""
        try:
            offered = await self._remembered()
        except Refused:
            return ""
        return next((each.notice for each in offered.models if each.name == model), "")

    async def _remembered(self) -> Capabilities:
        if self._last is None:
            kept = await self._settings.setting("bot", 0, KEY)
            try:
                self._last = Capabilities.model_validate(kept)
            except ValidationError:  # nothing kept, or kept by another version of the contract
                raise Refused(
                    "The engine has not been up yet, so nobody knows what it can draw. Try again in a minute."
                ) from None
        return self._last
