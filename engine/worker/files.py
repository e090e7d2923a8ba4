"""The files of each job: threads finish and write them, and the last word about a job waits for its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from engine.frames import FromWorker
from engine.wire import ImageInfo

THREADS = {"cuda": 4}  # a large GPU draws pictures faster than one thread marks, writes and hashes them
THREADS_ELSEWHERE = 1  # a CPU's cores are busy with drawing

Result = list[ImageInfo] | str


@dataclass(frozen=True)
class Written:
    """A picture is judged and the files that followed are complete, or a picture is described; or it failed."""

    job_id: str
    result: Future[Result]


class Files:
    """What is written, in threads of its own while it is entered. `tell` hears of each piece of work that is done, in
    such a thread; whoever hears it says so to `written`. `send` takes the last words.
    """

    def __init__(
        self, *, threads: int, tell: Callable[[Written], None], send: Callable[[FromWorker], None]
    ) -> None:
        self._threads = threads
        self._tell = tell
        self._send = send
        self._writing: Counter[str] = Counter()  # of each job
        self._last_words: dict[str, FromWorker] = {}

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._threads, "files")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def write(self, job_id: str, work: Callable[[], Result]) -> None:
        """Do this for a job in a thread."""
        self._writing[job_id] += 1
        self._pool.submit(work).add_done_callback(lambda done: self._tell(Written(job_id, done)))

    def written(self, job_id: str) -> bool:
        """One piece of a job's work is done; False where nobody waits for it, since the last word was due."""
        self._writing -= Counter([job_id])  # those that come to nothing are forgotten
        if job_id not in self._last_words:
            return True
        self.say_last(job_id, self._last_words.pop(job_id))
        return False

    def say_last(self, job_id: str, word: FromWorker) -> None:
        """Once none of its files is being written: with the word its folder goes, and its id may come again."""
        if self._writing[job_id]:
            self._last_words[job_id] = word
        else:
            self._send(word)
