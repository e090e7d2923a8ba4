"""`python -m engine` in a process of its own, with the scripted worker, called as the bot calls it."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from engine import wire
from tests.patience import DEADLINE_S

WORKER = Path(__file__).with_name("scripted_worker.py")
ROOT = WORKER.parents[2]
TOKEN = "a-token-for-the-tests"
# The real front with its worker's command line replaced: everything else is `python -m engine`.
LAUNCH = (
    "import sys, engine.__main__ as program;"
    "program.child.WORKER = [sys.executable, *sys.argv[1:]];"
    "sys.exit(program.main([]))"
)
REQUEST: dict[str, Any] = {
    "owner": "alice",
    "model": "demo",
    "prompt": "a hamster",
    "width": 64,
    "height": 64,
    "steps": 4,
    "guidance_scale": 7.0,
    "sampler": "euler",
    "seed": 1,
}


class Engine:
    """A front in a process of its own, with a scripted worker, called as the bot would call it."""

    def __init__(self, folder: Path, *, in_flight: int = 1, **settings: str) -> None:
        self.folder = folder
        self.base = f"http://127.0.0.1:{free_port()}"
        self.in_flight = in_flight
        self.settings = settings
        self.process: asyncio.subprocess.Process | None = None
        self.session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {TOKEN}"}, timeout=aiohttp.ClientTimeout(total=DEADLINE_S)
        )

    async def launch(self) -> None:
        """Start the process, whatever becomes of it."""
        variables = {
            "PATHS__DATA": str(self.folder),
            "LINK__URL": self.base,
            "LINK__TOKEN": TOKEN,
            **self.settings,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", LAUNCH),
            *(str(WORKER), str(self.folder / "journal"), str(self.in_flight)),
            env={
                **kept,
                "PYTHONPATH": str(ROOT),
                **{f"DARKROOM_{name}": value for name, value in variables.items()},
            },
            cwd=self.folder,
            stderr=asyncio.subprocess.PIPE,
        )

    async def start(self) -> None:
        """Start the process and wait until it can draw."""
        await self.launch()
        async with asyncio.timeout(DEADLINE_S):
            while not await self.is_ready():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # another process: there is nothing to wait on but its answer

    async def is_ready(self) -> bool:
        try:
            async with self.session.get(f"{self.base}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit code and the log."""
        self.signal(number)
        return await self.ended()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; the exit code and the log."""
        assert self.process is not None
        async with asyncio.timeout(DEADLINE_S):
            _, log = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, log.decode()

    async def close(self) -> None:
        await self.session.close()
        if self.process is not None and self.process.returncode is None:
            await self.stop(signal.SIGKILL)

    async def put(
        self,
        job_id: str,
        image: bytes | None = None,
        *,
        mask: bytes | None = None,
        depth: bytes | None = None,
        **changes: Any,
    ) -> tuple[int, dict[str, Any]]:
        request = {key: value for key, value in (REQUEST | changes).items() if value is not None}
        return await self.put_raw(job_id, json.dumps(request).encode(), image, mask, depth)

    async def put_raw(
        self,
        job_id: str,
        content: bytes,
        image: bytes | None = None,
        mask: bytes | None = None,
        depth: bytes | None = None,
    ) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData()
        form.add_field("request", content, filename="request.json", content_type="application/json")
        for name, data in (("image", image), ("mask", mask), ("depth", depth)):
            if data is not None:
                form.add_field(name, io.BytesIO(data), filename=name, content_type="application/octet-stream")
        return await self.call("PUT", f"/v1/jobs/{job_id}", data=form)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.request(method, self.base + path, **options) as response:
            text = await response.text()
            if response.status in (429, 503) and path.startswith("/v1"):
                assert int(response.headers["Retry-After"]) > 0
            return response.status, json.loads(text) if text else {}

    async def delete(self, job_id: str) -> int:
        status, _ = await self.call("DELETE", f"/v1/jobs/{job_id}")
        return status

    async def events(self, job_id: str, *, after: int | None = None) -> AsyncIterator[tuple[int, wire.Event]]:
        """The stream, to its end."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with self.session.get(f"{self.base}/v1/jobs/{job_id}/events", headers=headers) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            event_id = 0
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    event_id = int(value)
                elif name == "data":
                    yield event_id, wire.EVENT.validate_json(value)

    async def until(self, job_id: str, kind: str) -> wire.Event:
        """The first event of a type."""
        async for _, event in self.events(job_id):
            if event.type == kind:
                return event
        raise AssertionError(f"job {job_id} ended without {kind}")

    async def draw(self, job_id: str, **changes: Any) -> wire.Finished:
        await self.put(job_id, **changes)
        event = await self.until(job_id, "finished")
        assert isinstance(event, wire.Finished)
        return event

    def let_go(self, job_id: str) -> None:
        """Let a slow job finish."""
        (self.folder / "spool" / job_id / "go").touch()

    def drawn(self) -> list[str]:
        """The ids of the jobs that the worker was given, in order."""
        journal = self.folder / "journal"
        return journal.read_text().split() if journal.exists() else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def picture(colour: str = "red", size: tuple[int, int] = (32, 32)) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", size, colour).save(output, "PNG")
    return output.getvalue()


@asynccontextmanager
async def running(folder: Path, *, in_flight: int = 1, **settings: str) -> AsyncIterator[Engine]:
    engine = Engine(folder, in_flight=in_flight, **settings)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()
