import resource
from pathlib import Path

import pytest

from engine.catalogue import Catalogue
from engine.errors import Refusal
from engine.front import Front
from engine.images.inputs import Inputs
from engine.models.registry import Registry
from engine.queue import FairQueue
from engine.spool import Result, Spool
from engine.wire import Finished, GenerationRequest, ImageInfo, Sampler
from tests.engine.no_worker import no_worker
from tests.patience import Clock

DAY_S = 24 * 3600.0
REQUEST = GenerationRequest(
    model="m", prompt="p", width=64, height=64, steps=1, guidance_scale=7, sampler=Sampler.EULER, seed=1
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Spool:
    return Spool(tmp_path / "spool", keep_s=DAY_S, clock=clock)


def result_of(size: int, *, ended_at: float = 1000.0) -> Result:
    image = ImageInfo(
        index=0, seed=1, width=64, height=64, media_type="image/png", bytes=size, sha256="", infotext=""
    )
    finished = Finished(images=(image,), seconds=1)
    return Result(request=REQUEST, fingerprint="f", event_id=4, ended_at=ended_at, finished=finished)


def finish(spool: Spool, job_id: str) -> Result:
    spool.open(job_id, Inputs())
    (spool.folder(job_id) / "0.png").write_bytes(b"picture")
    result = result_of(7)
    spool.finish(job_id, result)
    return result


def test_a_finished_job_is_found_again_and_an_unfinished_one_is_removed(spool: Spool) -> None:
    result = finish(spool, "done")
    spool.open("undone", Inputs(b"input"))
    assert spool.recover() == {"done": result}
    assert (spool.folder("done") / "0.png").read_bytes() == b"picture"
    assert not spool.folder("undone").exists()


def test_the_input_image_lies_in_the_folder(spool: Spool) -> None:
    path = spool.open("job", Inputs(b"input")).image
    assert path is not None
    assert path.read_bytes() == b"input"
    assert path.parent == spool.folder("job")


def test_a_picture_that_the_disk_does_not_take_leaves_nothing_there(spool: Spool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # of one file: as a disk that is nearly full
    try:
        with pytest.raises(OSError, match="too large"):
            spool.open("job", Inputs(b"input", b"mask" * 4096))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not spool.folder("job").exists()


def test_the_mask_lies_beside_it(spool: Spool) -> None:
    mask = spool.open("job", Inputs(b"input", b"mask")).mask
    assert mask is not None
    assert mask.read_bytes() == b"mask"
    assert sorted(path.name for path in spool.folder("job").iterdir()) == ["input.png", "mask.png"]


def test_a_depth_image_lies_there_also_alone(spool: Spool) -> None:
    files = spool.open("job", Inputs(depth=b"depth"))
    assert files.image is None
    assert files.depth is not None
    assert files.depth.read_bytes() == b"depth"


def test_opening_a_job_again_leaves_nothing_of_the_first_try(spool: Spool) -> None:
    finish(spool, "job")
    assert spool.open("job", Inputs()).image is None
    assert list(spool.folder("job").iterdir()) == []


@pytest.mark.parametrize("content", [None, b"pic"])
def test_a_job_is_not_finished_without_its_whole_image(spool: Spool, content: bytes | None) -> None:
    spool.open("job", Inputs())
    if content is not None:
        (spool.folder("job") / "0.png").write_bytes(content)
    with pytest.raises(FileNotFoundError):
        spool.finish("job", result_of(7))
    assert spool.recover() == {}


def test_a_job_is_kept_for_a_day_and_no_longer(spool: Spool, clock: Clock) -> None:
    finish(spool, "job")
    clock.now += DAY_S - 1
    assert "job" in spool.recover()
    clock.now += 2
    assert spool.recover() == {}
    assert not spool.folder("job").exists()


async def test_a_clock_that_is_put_right_makes_no_job_old_and_none_young(
    tmp_path: Path, spool: Spool, clock: Clock
) -> None:
    finish(spool, "job")
    monotonic = Clock()
    worker = no_worker(monotonic)
    front = Front(
        executor=worker,
        catalogue=Catalogue(registry=Registry(tmp_path), executor=worker, queue_capacity=1),
        spool=spool,
        queue=FairQueue(capacity=1),
        clock=monotonic,
        wall=clock,
    )
    clock.now -= 500  # the job is from the future
    await front.open()
    for put in (365 * DAY_S, -700 * DAY_S):
        clock.now += put
        await front.sweep()
        assert front.job("job").finished
    monotonic.now += DAY_S + 1
    await front.sweep()
    with pytest.raises(Refusal):
        front.job("job")


def test_a_damaged_result_counts_as_unfinished(spool: Spool) -> None:
    finish(spool, "job")
    (spool.folder("job") / "result.json").write_text('{"request":')
    assert spool.recover() == {}


def test_removing_may_happen_twice(spool: Spool) -> None:
    finish(spool, "job")
    spool.remove("job")
    spool.remove("job")
    assert spool.recover() == {}


@pytest.mark.parametrize("job_id", ["..", "a/b", "", "a" * 65, "a\n", "/etc"])
def test_a_job_id_never_leads_out_of_the_spool(spool: Spool, job_id: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        spool.folder(job_id)
