"""Files are written in threads, several at once where the device is fast, and the last word comes after them."""

import threading
from queue import SimpleQueue

from engine.frames import Cancelled, FromWorker
from engine.worker.files import Files, Result, Written

DEADLINE_S = 30


def test_several_pictures_are_written_at_once() -> None:
    together = threading.Barrier(3, timeout=DEADLINE_S)
    told: SimpleQueue[Written] = SimpleQueue()

    def write() -> Result:
        together.wait()  # would break, if one had to wait for another
        return []

    with Files(threads=3, tell=told.put, send=lambda _: None) as files:
        for _ in range(3):
            files.write("job", write)
    assert [told.get(timeout=DEADLINE_S).result.result() for _ in range(3)] == [[], [], []]


def test_the_last_word_about_a_job_waits_for_its_files_and_for_no_other_jobs() -> None:
    go_on = threading.Event()
    told: SimpleQueue[Written] = SimpleQueue()
    sent: list[FromWorker] = []

    def write() -> Result:
        assert go_on.wait(DEADLINE_S)
        return []

    with Files(threads=1, tell=told.put, send=sent.append) as files:
        files.write("job", write)
        files.say_last("other", Cancelled(job="other"))
        files.say_last("job", Cancelled(job="job"))
        assert sent == [Cancelled(job="other")]
        go_on.set()
        assert not files.written(told.get(timeout=DEADLINE_S).job_id)
    assert sent == [Cancelled(job="other"), Cancelled(job="job")]
