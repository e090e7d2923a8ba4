"""What this engine can draw, as it tells the bot."""

import asyncio
import secrets

from engine.models.adapter_folder import AdapterFolders, AdapterNames
from engine.models.registry import Registry
from engine.samplers import sampler_menu, schedule_menu
from engine.supervisor import Executor
from engine.wire import Capabilities, Limits, ModelInfo


class Catalogue:
    """The models and adapters as of the last `refresh`, and everything else that a request may choose from."""

    def __init__(
        self,
        *,
        registry: Registry,
        executor: Executor,
        queue_capacity: int,
        adapters: AdapterFolders | None = None,
    ) -> None:
        self._registry = registry
        self._adapters = adapters
        self._executor = executor
        self._limits = Limits(queue=queue_capacity)
        self._boot_id = secrets.token_hex(8)
        self._models: tuple[ModelInfo, ...] = ()
        self._named = AdapterNames()

    async def refresh(self) -> None:
        """Look again what there is: something may have been added."""
        self._models = await asyncio.to_thread(self._registry.models)
        if self._adapters is not None:
            self._named = await asyncio.to_thread(self._adapters.names)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            boot_id=self._boot_id,
            device=self._executor.health.device,
            models=self._models,
            samplers=sampler_menu(),
            schedules=schedule_menu(),
            loras=self._named.loras,
            embeddings=self._named.embeddings,
            vaes=self._named.vaes,
            limits=self._limits,
        )
