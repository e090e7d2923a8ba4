"""What this engine can draw, as it tells the bot."""

import asyncio
import secrets

from engine.models.registry import Registry
from engine.models.upscaler_folder import UpscalerFolder
from engine.samplers import sampler_menu, schedule_menu
from engine.supervisor import Executor
from engine.upscalers import LANCZOS, LATENT_UPSCALERS
from engine.wire import Capabilities, Limits, ModelInfo


class Catalogue:
    """The models as of the last `refresh`, and everything else that a request may choose from."""

    def __init__(
        self,
        *,
        registry: Registry,
        executor: Executor,
        queue_capacity: int,
        upscalers: UpscalerFolder | None = None,
    ) -> None:
        self._registry = registry
        self._upscaler_folder = upscalers
        self._upscalers: tuple[str, ...] = ()
        self._executor = executor
        self._limits = Limits(queue=queue_capacity)
        self._boot_id = secrets.token_hex(8)
        self._models: tuple[ModelInfo, ...] = ()

    async def refresh(self) -> None:
        """Look again which models there are: one may have been added."""
        self._models = await asyncio.to_thread(self._registry.models)
        if self._upscaler_folder is not None:
            self._upscalers = await asyncio.to_thread(self._upscaler_folder.names)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            boot_id=self._boot_id,
            device=self._executor.health.device,
            models=self._models,
            samplers=sampler_menu(),
            schedules=schedule_menu(),
            upscalers=(LANCZOS, *self._upscalers),
            latent_upscalers=tuple(LATENT_UPSCALERS),
            limits=self._limits,
        )
