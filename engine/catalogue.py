"""What this engine can draw, as it tells the bot."""

import asyncio
import secrets

from engine.executor import Executor
from engine.models.adapter_folder import AdapterFolders, AdapterNames
from engine.models.controls import ControlFolder
from engine.models.registry import Registry
from engine.models.upscaler_folder import UpscalerFolder
from engine.samplers import sampler_menu, schedule_menu
from engine.upscalers import LANCZOS, LATENT_UPSCALERS
from engine.wire import Capabilities, ControlInfo, Limits, ModelInfo, Safety


class Catalogue:
    """The models, adapters and controls as of the last `refresh`, and all else that a request may choose from."""

    def __init__(
        self,
        *,
        registry: Registry,
        executor: Executor,
        queue_capacity: int,
        adapters: AdapterFolders | None = None,
        controls: ControlFolder | None = None,
        upscalers: UpscalerFolder | None = None,
        safety: Safety = Safety.OFF,
    ) -> None:
        self._registry = registry
        self._adapters = adapters
        self._folder = controls
        self._upscaler_folder = upscalers
        self._upscalers: tuple[str, ...] = ()
        self._executor = executor
        self._safety = safety
        self._limits = Limits(queue=queue_capacity)
        self._boot_id = secrets.token_hex(8)
        self._models: tuple[ModelInfo, ...] = ()
        self._named = AdapterNames()
        self._controls: tuple[ControlInfo, ...] = ()

    async def refresh(self) -> None:
        """Look again what there is: something may have been added."""
        self._models = await asyncio.to_thread(self._registry.models)
        if self._adapters is not None:
            self._named = await asyncio.to_thread(self._adapters.names)
        if self._folder is not None:
            self._controls = await asyncio.to_thread(self._folder.infos)
        if self._upscaler_folder is not None:
            self._upscalers = await asyncio.to_thread(self._upscaler_folder.names)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            boot_id=self._boot_id,
            device=self._executor.health.device,
            models=self._models,
            samplers=sampler_menu(),
            schedules=schedule_menu(),
            safety=self._safety,
            memory=self._executor.health.memory,
            controls=self._controls,
            loras=self._named.loras,
            embeddings=self._named.embeddings,
            vaes=self._named.vaes,
            upscalers=(LANCZOS, *self._upscalers),
            restorers=self._named.faces,
            latent_upscalers=tuple(LATENT_UPSCALERS),
            limits=self._limits,
        )
