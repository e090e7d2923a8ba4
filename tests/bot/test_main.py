"""The bot as a process: what it says and how it ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bot.playground.client import Person
from bot.playground.server import Playground

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0


async def started(folder: Path, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT)} | variables,
        stderr=asyncio.subprocess.PIPE,
    )


async def ending(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """The exit code and everything that was said."""
    async with asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[discord]\n", "discord.token is not set: "),
        ("[discord]\ntokn = 'x'\n", "discord.tokn is not a setting; did you mean discord.token.\n"),
        ("[discord\n", "config.toml is not valid TOML: "),
    ],
)
async def test_a_wrong_setting_is_one_sentence_and_exit_code_78(
    tmp_path: Path, settings: str, said: str
) -> None:
    (tmp_path / "config.toml").write_text(settings)
    code, output = await ending(await started(tmp_path))
    assert code == 78
    assert output.startswith(said)
    assert output.count("\n") == 1


async def test_a_token_that_discord_refuses_is_one_sentence_and_exit_code_78(
    tmp_path: Path, playground: Playground
) -> None:
    process = await started(tmp_path, DARKROOM_DISCORD__API=playground.base, DARKROOM_DISCORD__TOKEN="wr0ng")
    code, output = await ending(process)
    assert code == 78
    assert output.splitlines()[-1].startswith("discord.token is not accepted by Discord: ")
    assert "Traceback" not in output
    assert "wr0ng" not in output


async def test_a_discord_that_cannot_be_reached_is_one_sentence_and_exit_code_69(
    tmp_path: Path, playground: Playground
) -> None:
    await playground.stop()
    process = await started(tmp_path, DARKROOM_DISCORD__API=playground.base, DARKROOM_DISCORD__TOKEN="x")
    code, output = await ending(process)
    assert code == 69
    assert output.splitlines()[-1] == "Discord cannot be reached. Is this machine online?"
    assert "Traceback" not in output


async def test_it_starts_without_an_engine_and_ends_cleanly_on_sigterm(
    tmp_path: Path, playground: Playground
) -> None:
    process = await started(
        tmp_path, DARKROOM_DISCORD__API=playground.base, DARKROOM_DISCORD__TOKEN=playground.token
    )
    async with Person(playground.base) as alice:
        await alice.wait_online(DEADLINE_S)
        asked = await alice.slash("imagine", {"prompt": "x"})
        reply = await alice.wait_message(asked, timeout=DEADLINE_S)
        assert reply["content"].startswith("The engine has not been up yet")
    process.send_signal(signal.SIGTERM)
    code, output = await ending(process)
    assert code == 0
    assert "Traceback" not in output
    assert playground.token not in output


async def test_a_connection_that_ends_for_good_is_said_and_exit_code_70(
    tmp_path: Path, playground: Playground
) -> None:
    process = await started(
        tmp_path, DARKROOM_DISCORD__API=playground.base, DARKROOM_DISCORD__TOKEN=playground.token
    )
    async with Person(playground.base) as alice:
        await alice.wait_online(DEADLINE_S)
        await alice.gateway(close=4004)  # one that discord.py does not come back from
    code, output = await ending(process)
    assert code == 70
    assert "The bot had to stop (ref " in output.splitlines()[-1]
