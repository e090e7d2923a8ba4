"""Bot and engine as child processes of one command: started, watched, restarted, stopped together.

Each child that dies is started again after a pause that grows while it keeps dying. A child that says
by its exit code that a restart cannot help (a setting, a port in use) ends everything with that code.
"""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # a child that lived so long starts with a short pause again
START_S = 180.0  # for programs that we start for ourselves; the first start may have to make a model
STOP_S = 15.0


class ChildGaveUp(Exception):
    """A child cannot run, and said why on stderr. `exit_code` is its own."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(f"The {name} could not start.")
        self.exit_code = exit_code


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _end_with_parent() -> None:
    """Runs in the child: if we are killed without a chance to stop it, the kernel asks it to stop."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(kw_only=True)
class Child:
    """One program: its name for people, its arguments, and what its environment has besides ours.

    `hopeless` are the exit codes by which it says that starting it again would change nothing. After
    SIGTERM it has `stop_s` seconds before it is killed.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    hopeless: frozenset[int] = frozenset({os.EX_CONFIG, os.EX_USAGE})
    stop_s: float = STOP_S
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(
            *self.arguments,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr,  # stdout is for results
            start_new_session=True,  # a Ctrl-C reaches us, and we stop the children in order
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        return self.process


class Launcher:
    """Children in the order in which they start; they stop in the opposite order."""

    def __init__(self, *, children: Sequence[Child], clock: Callable[[], float] = time.monotonic) -> None:
        self._children = children
        self._clock = clock

    async def run(self) -> None:
        """Keep all children running until cancelled. Raises ChildGaveUp."""
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children:
                    group.create_task(self._keep_running(child), name=child.name)
        except* ChildGaveUp as gave_up:
            raise gave_up.exceptions[0] from None
        finally:
            for child in reversed(self._children):
                await _stop(child)

    async def _keep_running(self, child: Child) -> None:
        pause = FIRST_PAUSE_S
        while True:
            began = self._clock()
            process = await child.start()
            code = await process.wait()
            if code in child.hopeless:
                raise ChildGaveUp(child.name, code)
            if self._clock() - began > STEADY_S:
                pause = FIRST_PAUSE_S
            log.warning("the %s ended (%s); it is started again in %g s", child.name, _outcome(code), pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


async def _stop(child: Child) -> None:
    process = child.process
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), child.stop_s)
    except TimeoutError:
        log.warning("the %s did not stop within %g s and was killed", child.name, child.stop_s)
        process.kill()
        await process.wait()


def _outcome(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def engine_child(
    *, config: Sequence[str] = (), environment: Mapping[str, str] | None = None, grace_s: float = 0.0
) -> Child:
    """The engine's front; it starts its worker itself. `grace_s` is what it gives to what it is drawing."""
    return Child(
        name="engine",
        arguments=[sys.executable, "-m", "engine", *config],
        environment=environment or {},
        hopeless=frozenset({os.EX_CONFIG, os.EX_USAGE, os.EX_UNAVAILABLE}),  # its port is in use
        stop_s=grace_s + STOP_S,
    )


def bot_child(*, config: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Child:
    """The Discord process. That Discord cannot be reached may pass."""
    arguments = [sys.executable, "-m", "bot", *config]
    return Child(name="bot", arguments=arguments, environment=environment or {})


def private_link(*, url: str, token: str, spool: Path) -> dict[str, str]:
    """Variables for an engine that only we know of, and whoever is to find it.

    All else it takes from the operator's settings and data folder: what it measures and compiles is kept there.
    """
    return {
        "DARKROOM_LINK__URL": url,
        "DARKROOM_LINK__TOKEN": token,
        "DARKROOM_ENGINE__LISTEN": "",
        "DARKROOM_ENGINE__SPOOL": str(spool.absolute()),
        "DARKROOM_ENGINE__GRACE_S": "0",  # nobody is left to wait for what is being drawn
    }


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
