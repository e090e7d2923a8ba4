"""What this engine can draw, as it tells the bot."""

import asyncio
import secrets

from engine.models.registry import Registry
from engine.samplers import sampler_menu, schedule_menu
from engine.supervisor import Executor
from engine.wire import Capabilities, Limits, ModelInfo, Safety


class Catalogue:
    """The models as of the last `refresh`, and everything else that a request may choose from."""

    def __init__(
        self, *, registry: Registry, executor: Executor, queue_capacity: int, safety: Safety = Safety.OFF
    ) -> None:
        self._registry = registry
        self._executor = executor
        self._safety = safety
        self._limits = Limits(queue=queue_capacity)
        self._boot_id = secrets.token_hex(8)
        self._models: tuple[ModelInfo, ...] = ()

    async def refresh(self) -> None:
        """Look again which models there are: one may have been added."""
        self._models = await asyncio.to_thread(self._registry.models)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            boot_id=self._boot_id,
            device=self._executor.health.device,
            models=self._models,
            samplers=sampler_menu(),
            schedules=schedule_menu(),
            safety=self._safety,
            limits=self._limits,
        )
