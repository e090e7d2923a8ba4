"""The measured caps of all models, kept on disk: a restart does not measure again what it knows.

They hold for one machine: another device, driver, torch or number format and all is measured anew.
"""

import logging
import os
import platform
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.speed import Speed
from engine.worker.batching import ROWS, SAMPLES, RowCap, Timing
from engine.worker.device import Device

log = logging.getLogger(__name__)

LONGEST_S = 3600.0  # no row takes so long: whoever says so is not believed


class _Entry(BaseModel):
    """Ticks of up to `rows` rows of one model and key took `per_row` seconds a row."""

    model_config = ConfigDict(extra="forbid")

    model: str
    key: str
    rows: int = Field(gt=0, le=ROWS[-1])
    per_row: float = Field(gt=0, le=LONGEST_S)


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid")

    machine: str
    entries: list[_Entry]


class CapBook:
    """The caps by model hash. `file` may be missing, damaged or another machine's; None keeps nothing."""

    def __init__(self, *, file: Path | None, machine: str, fixed: int = 0) -> None:
        self._file = file
        self._machine = machine
        self._fixed = fixed
        self._caps: dict[str, RowCap] = {}
        self._known = self._read()
        self._written = ""
        self._told = False  # that the disk takes nothing

    def cap(self, model: str) -> RowCap:
        """The cap of the model with this hash, with what was measured before."""
        if model not in self._caps:
            timings = {
                (entry.key, entry.rows): Timing(per_row=entry.per_row, samples=SAMPLES)
                for entry in self._known
                if entry.model == model
            }
            self._caps[model] = RowCap(fixed=self._fixed, timings=timings)
        return self._caps[model]

    def save(self) -> None:
        """Write what was measured, if it changed; a disk that takes nothing is logged once. Blocking."""
        page = _Page(machine=self._machine, entries=self._entries()).model_dump_json(indent=1)
        if self._file is None or page == self._written:
            return
        self._written = page
        aside = self._file.with_suffix(f".{os.getpid()}.part")  # another engine may have the same folder
        try:
            aside.write_text(page, "utf-8")
            aside.replace(self._file)
        except OSError as error:
            if not self._told:
                log.warning("what was measured could not be kept: %s", error.strerror)
            self._told = True
        else:
            self._told = False

    def _entries(self) -> list[_Entry]:
        others = [entry for entry in self._known if entry.model not in self._caps]
        return others + [
            _Entry(model=model, key=key, rows=rows, per_row=timing.per_row)
            for model, cap in self._caps.copy().items()  # another thread draws meanwhile
            for (key, rows), timing in cap.timings.copy().items()
            if timing.known
        ]

    def _read(self) -> list[_Entry]:
        if self._file is None or not self._file.exists():
            return []
        try:
            page = _Page.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            log.warning("%s cannot be read: the caps are measured anew", self._file.name)
            return []
        if page.machine != self._machine:
            log.info("%s is of another machine or version: the caps are measured anew", self._file.name)
            return []
        return page.entries


def machine_of(device: Device, speed: Speed = Speed.EXACT, compiled_by: str = "") -> str:
    """What a measurement depends on, in words: device, driver, threads, torch, number format, and what is compiled."""
    if device.place.type == "cuda":
        name = f"{torch.cuda.get_device_name(device.place)}, CUDA {torch.version.cuda}"
    else:
        name = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    how = f"{speed} by {compiled_by}" if compiled_by else speed
    return f"{name}, torch {torch.__version__}, {str(device.dtype).removeprefix('torch.')}, {how}"
