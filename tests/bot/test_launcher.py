"""Children are started again when they die, and stopped together."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bot.launcher import Child, ChildGaveUp, Launcher
from tests.patience import DEADLINE_S, until


def child(name: str, code: str, *arguments: str) -> Child:
    return Child(name=name, arguments=[sys.executable, "-c", code, *arguments])


async def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    marks = tmp_path / "starts"
    code = "import os, sys, signal; open(sys.argv[1], 'a').write('x'); os.kill(os.getpid(), signal.SIGKILL)"
    task = asyncio.create_task(Launcher(children=[child("bot", code, str(marks))]).run())
    await until(lambda: marks.exists() and len(marks.read_text()) >= 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_child_that_cannot_run_ends_everything_with_its_exit_code() -> None:
    steady = child("engine", "import time; time.sleep(60)")
    hopeless = child("bot", f"raise SystemExit({os.EX_CONFIG})")
    with pytest.raises(ChildGaveUp) as gave_up:
        async with asyncio.timeout(DEADLINE_S):
            await Launcher(children=[steady, hopeless]).run()
    assert gave_up.value.exit_code == os.EX_CONFIG
    assert steady.process is not None
    assert steady.process.returncode is not None


async def test_children_stop_in_the_opposite_order_of_their_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import signal, sys, time\n"
        "def leave(*_):\n"
        "    open(sys.argv[1], 'a').write(sys.argv[2] + ' stopped\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "open(sys.argv[1], 'a').write(sys.argv[2] + ' started\\n')\n"
        "time.sleep(60)\n"
    )
    children = [child(name, code, str(log), name) for name in ("engine", "bot")]
    task = asyncio.create_task(Launcher(children=children).run())
    await until(lambda: log.exists() and log.read_text().count("started") == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.read_text().splitlines()[2:] == ["bot stopped", "engine stopped"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tell a child that its parent was killed")
async def test_no_child_is_left_running_when_the_launcher_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import asyncio, sys\n"
        "from bot.launcher import Child, Launcher\n"
        "child = 'import os, sys, time; open(sys.argv[1], \"w\").write(str(os.getpid())); time.sleep(60)'\n"
        "arguments = [sys.executable, '-c', child, sys.argv[1]]\n"
        "asyncio.run(Launcher(children=[Child(name='bot', arguments=arguments)]).run())\n"
    )
    launcher = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(pid_file))
    await until(lambda: pid_file.exists() and pid_file.read_text() != "")
    launcher.kill()
    await launcher.wait()
    await until(lambda: not running(int(pid_file.read_text())))


def running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to look does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
