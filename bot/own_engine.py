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

from bot.jobs.ports import EngineAway
from bot.launcher import START_S, Child, Launcher, engine_child, free_port, private_link

if TYPE_CHECKING:
    from bot.engine_client import EngineClient

LOOK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class OwnEngine:
    """The operator's, but for address and spool. `environment` overrides settings, as DARKROOM_<TABLE>__<KEY>."""

    config: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[EngineClient]":
        """An engine on a free port with a spool of its own, for as long as the block runs.

        Raises ChildGaveUp where it cannot start, TimeoutError where it does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="darkroom-") as spool:
            url, token = f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe(32)
            launcher = Launcher(children=[self._child(url, token, Path(spool))])
            launched = asyncio.create_task(launcher.run(), name="launcher")
            try:
                client = await asyncio.to_thread(_import_client)  # while the engine starts
                async with client(url=url, token=token) as engine:
                    async with asyncio.timeout(START_S):
                        await _until_it_answers(engine, launched)
                    yield engine
            finally:
                launched.cancel()
                await asyncio.wait({launched})

    def _child(self, url: str, token: str, spool: Path) -> Child:
        private = private_link(url=url, token=token, spool=spool)
        level = os.environ.get("DARKROOM_LOG__LEVEL", "WARNING")
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
