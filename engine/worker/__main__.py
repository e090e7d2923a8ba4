"""`python -m engine.worker`: the process that owns one device. The front starts it; see `engine/frames.py`."""

import argparse
import logging
import os
import sys
import threading
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

import diffusers
import torch
import transformers

from engine import frames
from engine.errors import Misconfigured
from engine.images import signing_key
from engine.images.finishing import Finisher
from engine.models.loading import StableDiffusion, load_stable_diffusion
from engine.models.registry import Registry
from engine.models.upscaler import Upscaler, load_upscaler
from engine.models.upscaler_folder import UpscalerFolder
from engine.prompts.wildcards import WildcardFolder
from engine.worker.cap_book import CapBook, machine_of
from engine.worker.device import Device, choose_device
from engine.worker.process import Inbox, Worker
from engine.worker.speed import Speed, can_compile, sped_up

NICENESS = 5  # on a CPU the pictures may wait a moment for the people, never the other way round


def main() -> None:
    options = _arguments()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    out = _claim_stdout()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    try:
        device = choose_device(options.device, options.dtype)
        key = signing_key.load(options.signing_key) if options.signing_key else None
        if options.speed is not Speed.EXACT and not can_compile():
            raise ValueError(
                f"engine.speed is {str(options.speed)!r}, but there is no C++ compiler to compile with"
            )
    except (ValueError, Misconfigured) as error:
        sys.exit(str(error))
    logging.getLogger(__name__).info("drawing on %s", device)
    if device.place.type == "cpu":
        os.nice(NICENESS)
        torch.set_num_threads(options.threads or torch.get_num_threads())
    send = partial(_send, out, threading.Lock())
    inbox: Inbox = SimpleQueue()
    threading.Thread(target=_read, args=(inbox,), daemon=True, name="commands").start()
    threading.Thread(target=_beat, args=(send,), daemon=True, name="heartbeat").start()
    Worker(
        load=partial(_load, Registry(options.models), device, options.speed),
        device=device,
        caps=CapBook(file=options.caps, machine=machine_of(device), fixed=options.max_rows),
        inbox=inbox,
        send=send,
        finisher=Finisher(version=version("darkroom"), watermark=options.watermark, key=key),
        wildcards=WildcardFolder(options.wildcards).lines,
        load_upscaler=partial(_load_upscaler, UpscalerFolder(options.upscalers), device),
    ).run()
    out.flush()
    os._exit(0)  # the thread that reads commands cannot be asked to stop


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.worker", description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of models")
    parser.add_argument("--wildcards", type=Path, required=True, help="folder of NAME.txt files for prompts")
    parser.add_argument("--upscalers", type=Path, required=True, help="folder of upscalers")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: as many as cores")
    parser.add_argument("--max-rows", type=int, default=0, help="rows a tick may hold; 0: measured")
    parser.add_argument("--speed", type=Speed, default=Speed.EXACT, help="exact, balanced")
    parser.add_argument("--caps", type=Path, help="file for measured caps; without it they are forgotten")
    parser.add_argument("--watermark", default="", help="six characters woven into pictures; empty: none")
    parser.add_argument("--signing-key", type=Path, help="PEM file of the key; without it nothing is signed")
    return parser.parse_args()


def _claim_stdout() -> BinaryIO:
    """Keep stdout for frames; whatever a library prints goes to stderr."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def _send(out: BinaryIO, lock: threading.Lock, frame: frames.FromWorker) -> None:
    line = frames.encode(frame)
    with lock:
        while line:  # an unbuffered pipe may take less than it is given
            line = line[out.write(line) :]


def _read(inbox: Inbox) -> None:
    for line in sys.stdin.buffer:
        inbox.put(frames.decode_to_worker(line))
    os._exit(0)  # the front is gone, and with it everybody who waits for a picture


def _beat(send: partial[None]) -> None:
    while True:
        time.sleep(frames.HEARTBEAT_S)
        send(frames.Heartbeat())


def _load(registry: Registry, device: Device, speed: Speed, name: str) -> StableDiffusion:
    model = load_stable_diffusion(name, registry.lookup(name), device)
    cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    return sped_up(model, speed, Path(cache) if cache else None)


def _load_upscaler(folder: UpscalerFolder, device: Device, name: str) -> Upscaler:
    return load_upscaler(name, folder.lookup(name), device)


if __name__ == "__main__":
    main()
