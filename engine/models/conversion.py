"""A `.ckpt`, or an upscaler's `.pth`, made into a safetensors file, once, by a process that may do nothing else.

No torch here.
"""

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from engine.models import fault
from engine.models.checkpoint import SUFFIX, read_checkpoint
from engine.models.detection import Kind, detect
from engine.models.fault import Corrupt, Missing, NotAModel, WrongKind
from engine.models.header import read_header
from engine.models.publishing import CONVERTING, aside, publish

TIMEOUT_S = 3600.0
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
ADAPTERS = (Kind.LORA, Kind.EMBEDDING, Kind.VAE, Kind.FACE)
UPSCALER_SUFFIX = ".pth"  # by custom; spandrel tells when it is loaded whether it is one
KEPT_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
)


def convert(source: Path, *, environ: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> Path:
    """Write NAME.safetensors beside NAME.ckpt, or an upscaler's NAME.pth, aside first, and return its path. The source
    stays as it is.

    Raises Missing, Unsafe (the pickle asks to run code; it is not run), Corrupt or WrongKind, and FileExistsError.
    """
    if not source.is_file():
        raise Missing("it is not there")
    if source.suffix == SUFFIX:
        raise WrongKind("it is a safetensors file, which needs no conversion")
    target = source.with_suffix(SUFFIX)
    if target.exists():
        raise FileExistsError(target.name)
    with aside(source.parent, CONVERTING) as folder:
        made = folder / target.name
        _unpickle(source, made, environ, timeout_s)
        _check(made, source.suffix)
        publish(made, target)
    return target


def _check(made: Path, suffix: str) -> None:
    """That it is what files of this kind hold. Raises NotAModel."""
    kind = detect(read_header(made)).kind
    if kind in ADAPTERS:
        return
    if suffix != UPSCALER_SUFFIX:
        read_checkpoint(made)
    elif kind not in (Kind.UNKNOWN, Kind.CHECKPOINT):
        raise WrongKind(f"it is {kind}, neither an upscaler nor a checkpoint")


def _unpickle(source: Path, target: Path, environ: Mapping[str, str], timeout_s: float) -> None:
    kept = {name: environ[name] for name in KEPT_ENVIRONMENT if name in environ}
    program = [sys.executable, "-m", "engine.models.unpickling", str(source.resolve()), str(target.resolve())]
    try:
        done = subprocess.run(
            program,
            env=kept | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            preexec_fn=_end_with_parent,  # safe: no threads here
        )
    except subprocess.TimeoutExpired:
        raise Corrupt("it could not be converted in time") from None
    _tell(done.stdout, done.returncode)


def _end_with_parent() -> None:
    """Where the system can: once who waits for this process was killed, nobody wants what it makes."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _tell(output: bytes, code: int) -> None:
    """Raise the fault that the process named, or one for its unexpected end."""
    try:
        said = json.loads(output.splitlines()[-1])
        name, says = said["fault"], said["says"]
    except (ValueError, IndexError, KeyError, TypeError):
        raise Corrupt(f"its conversion ended unexpectedly (code {code}): it may exceed the limits") from None
    if name is not None:
        kind = getattr(fault, str(name), Corrupt)
        raise kind(says) if issubclass(kind, NotAModel) else Corrupt(says)
