"""`python -m engine.models.unpickling PICKLE SAFETENSORS`: the tensors of a `.ckpt`, in a process of their own.

A pickle is a program. This one is read by torch's reader for weights alone, which knows only how to build tensors;
and because readers have had holes, the process may not connect, start another, write to other files or touch their
names, and has limits.
What it prints is one line of JSON: {"fault": null | "Unsafe" | "Corrupt" | "WrongKind", "says": "it …"}.
"""

import json
import os
import pickle
import re
import resource
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from engine.models.fault import Corrupt, NotAModel, Unsafe, WrongKind

CPU_S = 1800
SPACE_BYTES = 24 * 2**30  # address space: torch with CUDA takes half of it without any use
TIMES = 3  # the file in memory: read, and copied apart
MARGIN_BYTES = 64 * 2**20
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
LEFT_OUT = (
    "model_ema.",
    "loss.",
    "lpips.",
)  # a second copy that averages the first, and what only training needs
EMBEDDING = "emb_params"  # as A1111 calls it in safetensors
WEIGHTS = ("state_dict", "params_ema", "params")  # of Stable Diffusion; of upscalers, averaged ones first
NAMED = re.compile(r"GLOBAL ([\w.]+)")
FORBIDDEN = re.compile(
    r"(socket|subprocess|ctypes|shutil|tempfile|ftplib|smtplib|urllib|webbrowser|winreg)\."
    r"|os\.(system|exec|posix_spawn|spawn|fork|forkpty|kill|remove|rename|rmdir|link|symlink|chmod|chown|putenv)"
)
HARMLESS = (  # what pickles of Stable Diffusion 1 name besides tensors; of all of it nothing is needed
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",  # as numpy 2 calls it
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "_codecs.encode",
)


class Nothing:
    """Stands in for an object that is not needed: takes everything and does nothing."""

    def __new__(cls, *_: Any) -> "Nothing":
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def main() -> None:
    source, target = (Path(argument) for argument in sys.argv[1:3])
    _limit(source.stat().st_size)
    sys.addaudithook(refuse)
    fault: NotAModel | None = None
    try:
        save_file(tensors(source), target)
    except NotAModel as error:
        fault = error
    except MemoryError:
        fault = Corrupt("it does not fit into memory")
    print(json.dumps({"fault": fault and type(fault).__name__, "says": str(fault or "")}))  # noqa: T201


def tensors(source: Path) -> dict[str, torch.Tensor]:
    """The weights in a pickle, each with memory of its own. Raises Unsafe, Corrupt or WrongKind."""
    _check_archive(source)
    try:
        with torch.serialization.safe_globals([(Nothing, name) for name in HARMLESS]):
            content = torch.load(
                source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source)
            )
    except MemoryError:
        raise
    except PermissionError:
        raise Unsafe("its pickle tried to do more than hold numbers") from None
    except pickle.UnpicklingError as error:
        raise _meaning(str(error)) from None
    except Exception as error:  # whatever damaged bytes provoke
        if "allocate" in str(error):
            raise MemoryError from None
        raise Corrupt("it is damaged, or no pickle of torch's") from None
    weights = _weights(content)
    words = weights.get("string_to_param")
    if isinstance(words, Mapping) and len(words) == 1:  # an embedding of A1111's
        weights = {EMBEDDING: next(iter(words.values()))}
    kept = {
        name: value
        for name, value in weights.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor) and not name.startswith(LEFT_OUT)
    }
    if not kept:
        raise WrongKind("it holds no weights of a checkpoint")
    if sum(value.numel() * value.element_size() for value in kept.values()) > _most(source):
        raise Corrupt("its tensors have more numbers than the file")
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in kept.items()}


def _check_archive(source: Path) -> None:
    """torch packs without compressing: what is compressed may unpack to any size. Raises Corrupt."""
    if not zipfile.is_zipfile(source):
        return
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise Corrupt("it is damaged, or no pickle of torch's") from None
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > source.stat().st_size:
        raise Corrupt("it is a compressed archive, as torch writes none")


def _weights(content: Any) -> Mapping[Any, Any]:
    """Where the weights are: at the top, or under the name that a trainer gave them."""
    if not isinstance(content, Mapping):
        return {}
    inner = (content[name] for name in WEIGHTS if isinstance(content.get(name), Mapping))
    return next(inner, content)


def _meaning(error: str) -> NotAModel:
    if found := NAMED.search(error):
        return Unsafe(
            f"its pickle asks to run {found[1]}, which no weights need. Do not trust where it is from"
        )
    if "Trying to call" in error or "Can only" in error or "blocked" in error:
        return Unsafe("its pickle asks to run code, which no weights need. Do not trust where it is from")
    return Corrupt("it is damaged, or no pickle of torch's")


def _most(source: Path) -> int:
    """Bytes that what is made of a file may have."""
    return source.stat().st_size + MARGIN_BYTES


def _limit(size: int) -> None:
    """Where the system knows such limits."""
    for name, most in (
        ("RLIMIT_AS", SPACE_BYTES + TIMES * size),
        ("RLIMIT_CPU", CPU_S),
        ("RLIMIT_FSIZE", size + MARGIN_BYTES),
        ("RLIMIT_CORE", 0),
    ):
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (most, most))


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook; once set, it stays. The safetensors are written by code that raises no events."""
    writes = event == "open" and bool(arguments) and bool(arguments[2] & WRITES)
    if writes or FORBIDDEN.match(event):
        raise PermissionError(event)


if __name__ == "__main__":
    main()
