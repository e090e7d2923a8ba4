"""Finished jobs on disk, until they are acknowledged: a folder per job, found again after a restart.

    <root>/<job id>/input.png, mask.png, depth.png, control-0.png, …, 0.png, 1.png, …, result.json

Pictures are .jpeg or .webp where the request asked for that.

`result.json` comes last, written aside, flushed and renamed: where it is, the job is whole. Blocking: call
from a thread.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from engine.images.inputs import InputFiles, Inputs
from engine.wire import JOB_ID_PATTERN, Finished, GenerationRequest, WireModel

RESULT = "result.json"


class Result(WireModel):
    """What `result.json` holds. `ended_at` is wall clock time; `event_id` numbers the finished event."""

    request: GenerationRequest
    fingerprint: str
    event_id: int
    ended_at: float
    finished: Finished


class Spool:
    """`keep_s` is how long a finished job stays, in seconds of `clock`, which is wall clock time."""

    def __init__(self, root: Path, *, keep_s: float, clock: Callable[[], float]) -> None:
        self._root = root
        self._keep_s = keep_s
        self._clock = clock

    def folder(self, job_id: str) -> Path:
        """Where a job's files are. Raises ValueError for what is no job id."""
        if not re.fullmatch(JOB_ID_PATTERN, job_id):
            raise ValueError("not a job id")
        return self._root / job_id

    def open(self, job_id: str, inputs: Inputs) -> InputFiles:
        """Make the job's folder, empty but for the pictures that were sent. Raises OSError, and then leaves nothing."""
        folder = self.folder(job_id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            return InputFiles(
                image=_kept(folder / "input.png", inputs.image),
                mask=_kept(folder / "mask.png", inputs.mask),
                depth=_kept(folder / "depth.png", inputs.depth),
                controls=tuple(
                    _write(folder / f"control-{index}.png", png) for index, png in enumerate(inputs.controls)
                ),
            )
        except OSError:  # what a full disk did take would keep it full
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def finish(self, job_id: str, result: Result) -> None:
        """Commit a finished job. Raises FileNotFoundError where an image is missing or short, OSError."""
        for image in result.finished.images:
            path = self.folder(job_id) / image.file_name
            if path.stat().st_size != image.bytes:
                raise FileNotFoundError(f"{path.name} is incomplete")
            _flush(path)
        _write(self.folder(job_id) / RESULT, result.model_dump_json().encode())

    def remove(self, job_id: str) -> None:
        """Forget a job; may run twice."""
        folder = self.folder(job_id)
        (folder / RESULT).unlink(missing_ok=True)  # first: what is half removed must not be found as whole
        shutil.rmtree(folder, ignore_errors=True)

    def recover(self) -> dict[str, Result]:
        """The finished jobs that an earlier process left. What was unfinished or is too old is removed."""
        self._root.mkdir(parents=True, exist_ok=True)
        results = {}
        for folder in self._root.iterdir():
            result = _read(folder / RESULT)
            if re.fullmatch(JOB_ID_PATTERN, folder.name) and result and not self.expired(self.age(result)):
                results[folder.name] = result
            elif folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
        return results

    def age(self, result: Result) -> float:
        """Seconds since a job ended; none, where the clock has been put back since."""
        return max(0.0, self._clock() - result.ended_at)

    def expired(self, age_s: float) -> bool:
        return age_s > self._keep_s


def _read(path: Path) -> Result | None:
    try:
        return Result.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _kept(path: Path, content: bytes | None) -> Path | None:
    return None if content is None else _write(path, content)


def _write(path: Path, content: bytes) -> Path:
    aside = path.with_suffix(".part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    _flush(path.parent)
    return path


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
