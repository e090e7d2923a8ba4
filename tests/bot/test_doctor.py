"""What the doctor says of an engine that answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.config import Link, Paths, Settings
from bot.doctor import look_at_engine, open_to_others
from engine.wire import Readiness
from tests.bot.samples import capabilities


@asynccontextmanager
async def engine(readiness: Readiness) -> AsyncIterator[str]:
    async def offered(_: web.Request) -> web.Response:
        return web.json_response(text=capabilities().model_dump_json())

    async def ready(_: web.Request) -> web.Response:
        status = 200 if readiness.status == "ready" else 503
        return web.json_response(text=readiness.model_dump_json(), status=status)

    app = web.Application()
    app.add_routes([web.get("/v1/capabilities", offered), web.get("/readyz", ready)])
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def test_a_data_folder_that_others_can_look_into_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (finding,) = open_to_others(tmp_path)
    assert finding.ok is None
    assert finding.says.endswith(f"which holds prompts: chmod 700 {tmp_path}")
    tmp_path.chmod(0o700)
    assert list(open_to_others(tmp_path)) == []


@pytest.mark.parametrize(
    ("readiness", "ok", "says"),
    [
        (
            Readiness(status="ready", running=2, waiting=3),
            True,
            "draws on cpu with sd15, anything-v3, dreamlike; jobs: 2 being drawn, 3 waiting",
        ),
        (
            Readiness(status="not ready", reason="The worker is starting.", running=0, waiting=1),
            None,
            "cannot draw now: The worker is starting. Jobs: 0 being drawn, 1 waiting.",
        ),
    ],
)
async def test_it_says_whether_the_engine_can_draw_and_what_it_has_to_do(
    tmp_path: Path, readiness: Readiness, ok: bool | None, says: str
) -> None:
    async with engine(readiness) as url:
        settings = Settings(paths=Paths(data=tmp_path), link=Link(url=url, token=SecretStr("secret")))
        finding = await look_at_engine(settings)
    assert (finding.ok, finding.says) == (ok, f"at {url}, {says}")
