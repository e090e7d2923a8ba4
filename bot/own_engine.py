"""An engine for ourselves, for as long as something is asked of it: `darkroom generate`, `describe` and `try`."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config import Settings
from bot.jobs.ports import EngineAway
from bot.launcher import START_S, Child, Launcher, engine_child, free_port, private_link

if TYPE_CHECKING:
    from bot.engine_client import EngineClient

LOOK_EVERY_S = 0.1
# Settings of [engine], and where in the data folder they are looked for: an engine of our own has another one.
_FOLDERS = {
    "wildcards": "wildcards",
    "controls": "controlnets",
    "upscalers": "upscalers",
    "faces": "faces",
    "tiny": "tiny",
    "clip": "clip",
    "safety_checker": "safety",
}


@dataclass(frozen=True, kw_only=True)
class OwnEngine:
    """What it starts with. `environment` overrides settings, as DARKROOM_<TABLE>__<KEY>."""

    models: Path
    signing_key: Path | None = None
    config: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, config: Path | None) -> "OwnEngine":
        """One with the operator's models and all that goes with them, and the key that signs their pictures."""

        def place(name: str, default: str) -> Path:
            return Path(str(settings.engine.get(name) or settings.paths.data / default))

        return cls(
            models=place("models", "models"),
            signing_key=place("signing_key", "signing.pem"),
            config=config,
            environment={
                f"DARKROOM_ENGINE__{name.upper()}": str(place(name, folder).absolute())
                for name, folder in _FOLDERS.items()
            },
        )

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[EngineClient]":
        """An engine on a free port with a spool of its own, for as long as the block runs.

        Raises ChildGaveUp where it cannot start, TimeoutError where it does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="darkroom-") as data:
            url, token = f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe(32)
            launcher = Launcher(children=[self._child(url, token, Path(data))])
            launched = asyncio.create_task(launcher.run(), name="launcher")
            try:
                client = await asyncio.to_thread(
                    _import_client
                )  # while the engine starts, which takes longer
                async with client(url=url, token=token) as engine:
                    async with asyncio.timeout(START_S):
                        await _until_it_answers(engine, launched)
                    yield engine
            finally:
                launched.cancel()
                await asyncio.wait({launched})

    def _child(self, url: str, token: str, data: Path) -> Child:
        level = os.environ.get("DARKROOM_LOG__LEVEL", "WARNING")
        private = private_link(
            url=url, token=token, data=data, models=self.models, signing_key=self.signing_key
        )
        return engine_child(
            config=["--config", str(self.config)] if self.config else [],
            environment={**private, **self.environment, "DARKROOM_LOG__LEVEL": level},
        )


def _import_client() -> "type[EngineClient]":
    from bot.engine_client import EngineClient

    return EngineClient


async def _until_it_answers(engine: "EngineClient", launched: "asyncio.Task[None]") -> None:
    while True:
        if launched.done():
            launched.result()
        try:
            await engine.capabilities()
            return
        except EngineAway:
            await asyncio.sleep(LOOK_EVERY_S)
