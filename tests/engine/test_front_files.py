"""What the front says of a job and what lies in its folder agree, also at the worst moment."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

from engine import frames, wire
from engine.catalogue import Catalogue
from engine.errors import Refusal
from engine.executor import NO_FILES, ExecutorEvent, Health
from engine.front import Front
from engine.images.inputs import InputFiles, Sent
from engine.models.registry import Registry
from engine.queue import FairQueue
from engine.spool import Result, Spool
from tests.engine.front_process import REQUEST
from tests.patience import DEADLINE_S, until

PICTURE = b"a picture"


class Hand:
    """An executor that draws when the test says so."""

    def __init__(self, *, ready: bool) -> None:
        self.health = Health(ready=ready, device="hand", in_flight=2)
        self.folders: dict[str, Path] = {}
        self._events: asyncio.Queue[ExecutorEvent] = asyncio.Queue()

    def start(
        self, job_id: str, request: wire.GenerationRequest, *, folder: Path, files: InputFiles = NO_FILES
    ) -> None:
        del request, files
        self.folders[job_id] = folder

    def cancel(self, job_id: str) -> None: ...

    async def events(self) -> AsyncIterator[ExecutorEvent]:
        while True:
            yield await self._events.get()

    def finish(self, job_id: str) -> None:
        (self.folders[job_id] / "0.png").write_bytes(PICTURE)
        info = wire.ImageInfo(
            index=0,
            seed=1,
            width=64,
            height=64,
            media_type="image/png",
            bytes=len(PICTURE),
            sha256="0" * 64,
            infotext="",
        )
        self._events.put_nowait(frames.Finished(job=job_id, images=(info,), seconds=1.0))


class SlowDisk(Spool):
    """Commits a picture only once it is `let_go`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, keep_s=3600.0, clock=time.time)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def finish(self, job_id: str, result: Result) -> None:
        self.asked.set()
        assert self.let_go.wait(DEADLINE_S)
        super().finish(job_id, result)


async def opened(hand: Hand, spool: Spool, folder: Path, capacity: int) -> Front:
    catalogue = Catalogue(registry=Registry(folder / "models"), executor=hand, queue_capacity=capacity)
    front = Front(executor=hand, catalogue=catalogue, spool=spool, queue=FairQueue(capacity=capacity))
    await front.open()
    return front


async def submit(front: Front, job_id: str) -> None:
    await front.submit(job_id, wire.GenerationRequest.model_validate(REQUEST), Sent())


async def test_what_is_just_finished_when_the_engine_stops_is_not_taken_away(tmp_path: Path) -> None:
    hand, spool = Hand(ready=True), SlowDisk(tmp_path / "spool")
    front = await opened(hand, spool, tmp_path, capacity=4)
    following = asyncio.create_task(front.run())
    for job_id in ("ours", "others"):
        await submit(front, job_id)
    hand.finish("ours")
    await until(spool.asked.is_set)
    draining = asyncio.create_task(front.drain(0.0))
    await asyncio.wait({draining}, timeout=0.1)  # it has the time to take it away, if it would
    spool.let_go.set()
    await asyncio.wait_for(draining, DEADLINE_S)
    assert isinstance(front.job("ours").log.terminal, wire.Finished)
    assert (front.job("ours").folder / "0.png").read_bytes() == PICTURE
    assert isinstance(front.job("others").log.terminal, wire.Failed)
    following.cancel()
    await asyncio.wait({following})


async def test_what_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    front = await opened(
        Hand(ready=False), Spool(tmp_path / "spool", keep_s=1, clock=time.time), tmp_path, capacity=1
    )
    outcomes = await asyncio.gather(*(submit(front, name) for name in "ab"), return_exceptions=True)
    (refusal,) = (each for each in outcomes if each is not None)
    assert isinstance(refusal, Refusal)
    assert refusal.body.code == "queue_full"
    assert len(list((tmp_path / "spool").iterdir())) == 1
