"""The worker, put together from the command line that the front tells it, and its pipe to the front."""

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

import diffusers
import torch
import transformers

from engine import frames, memory
from engine.errors import Misconfigured, Refusal
from engine.images import signing_key
from engine.images.finishing import Finisher
from engine.models.adapter_folder import AdapterFolder, AdapterFolders
from engine.models.companions import Companions
from engine.models.control_loading import ControlNetwork, load_control
from engine.models.controls import ControlFolder
from engine.models.detection import Kind
from engine.models.fault import NotAModel
from engine.models.pipeline_loading import LoadedPipeline, load_model
from engine.models.registry import Registry
from engine.models.restorer import Restorer, load_restorer
from engine.models.stamp import Stamps
from engine.models.tiny_decoder import TinyDecoders
from engine.models.upscaler import Upscaler, load_upscaler
from engine.models.upscaler_folder import UpscalerFolder
from engine.prompts.wildcards import WildcardFolder
from engine.speed import Compiler, Speed
from engine.worker.cap_book import CapBook, machine_of
from engine.worker.compiled_folder import VARIABLE, CompiledFolder
from engine.worker.control_shelf import ControlShelf
from engine.worker.decoders import Decoders
from engine.worker.device import Device, choose_device
from engine.worker.device_memory import device_memory, host_memory, rungs_of
from engine.worker.judges import Judges
from engine.worker.kept_rungs import KeptRungs
from engine.worker.openvino_shapes import OpenVinoShapes
from engine.worker.options import read_options
from engine.worker.policy import MemoryPolicy
from engine.worker.process import Inbox, Worker
from engine.worker.shelf import Model
from engine.worker.speed import OPENVINO_SHARE, check_able, compiler_of, name_of, sped_up

CACHE_SHARE = 4  # a quarter of the machine's memory may hold models that are not in use
NICENESS = 5  # on a CPU the pictures may wait a moment for the people, never the other way round


def main() -> None:
    options = read_options(_command_line())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    out = _claim_stdout()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    try:
        device = choose_device(options.device, options.dtype)
        key = signing_key.load(options.signing_key) if options.signing_key else None
        check_able(options.speed, device, options.compiler)
    except (ValueError, Misconfigured) as error:
        sys.exit(str(error))
    compiler = compiler_of(options.compiler, device)
    if compiled_by := _compiled_by(options.speed, compiler):  # it is said wherever the device is
        device = replace(device, reason=f"{device.reason}; networks compiled by {compiled_by}")
    logging.getLogger(__name__).info("drawing on %s", device)
    if device.place.type == "cpu":
        os.nice(NICENESS)
        torch.set_num_threads(options.threads or torch.get_num_threads())
    send = partial(_send, out, threading.Lock())
    inbox: Inbox = SimpleQueue()
    threading.Thread(target=_read, args=(inbox,), daemon=True, name="commands").start()
    threading.Thread(target=_beat, args=(send,), daemon=True, name="heartbeat").start()
    finisher = Finisher(version=version("darkroom"), watermark=options.watermark, key=key)
    _worker(options, device, compiler, inbox=inbox, send=send, finisher=finisher).run()
    out.flush()
    os._exit(0)  # the thread that reads commands cannot be asked to stop


def _worker(
    options: argparse.Namespace,
    device: Device,
    compiler: Compiler,
    *,
    inbox: Inbox,
    send: Callable[[frames.FromWorker], None],
    finisher: Finisher,
) -> Worker:
    """With all that it may load, from the folders of the command line."""
    registry = Registry(options.models)
    companions = Companions(clip=options.clip, safety=options.safety_checker)
    controls = ControlShelf(load=partial(_load_control, ControlFolder(options.controls), device))
    policy = _policy(options, device)
    policy.beside.append(lambda: controls.bytes)
    shapes = _shapes(policy)
    policy.beside.append(lambda: shapes.bytes)
    judges = Judges(companions=companions, place=registry.lookup)
    folder = _compiled_folder(options.compiled, options.speed, compiler)
    machine = machine_of(device, options.speed, _compiled_by(options.speed, compiler))
    parked = replace(device, parked=True)
    return Worker(
        load=partial(_load, registry, parked, options.speed, compiler, folder, shapes),
        device=device,
        caps=CapBook(file=options.caps, machine=machine, fixed=options.max_rows),
        inbox=inbox,
        send=send,
        finisher=finisher,
        wildcards=WildcardFolder(options.wildcards).lines,
        jury=judges.jury,
        describer=judges.describer,
        policy=policy,
        control=controls.get,
        adapters=AdapterFolders.of(loras=options.loras, embeddings=options.embeddings, vaes=options.vaes),
        decoders=Decoders(
            tiny=TinyDecoders(options.tiny, device),
            previews=options.previews == "tiny",
            pictures=options.decoder == "tiny",
        ),
        load_restorer=partial(_load_restorer, AdapterFolder(options.faces, Kind.FACE), device),
        load_upscaler=partial(_load_upscaler, UpscalerFolder(options.upscalers), device),
    )


def _compiled_by(speed: Speed, compiler: Compiler) -> str:
    """Who compiles networks, with its version; empty where nobody does."""
    return "" if speed is Speed.EXACT else name_of(compiler)


def _command_line() -> tuple[str, ...]:
    """What the front says first. Where it is gone by then, so are we."""
    line = sys.stdin.buffer.readline()
    if not line:
        os._exit(0)  # quickly: there is much to take apart, and libraries complain while it is
    try:
        return frames.decode_begin(line).arguments
    except ValueError:
        sys.exit("The first line on stdin is no begin frame; the worker is started by `python -m engine`.")


def _policy(options: argparse.Namespace, device: Device) -> MemoryPolicy:
    given = device_memory(device, memory.parse(options.memory), cpu_fallback=options.cpu_fallback)
    cache = memory.parse(options.model_cache)
    return MemoryPolicy(
        device=given,
        cache=host_memory() // CACHE_SHARE if cache is None else cache,
        idle_s=options.unload_minutes * 60 or None,
        rungs=rungs_of(device, cpu_fallback=options.cpu_fallback),
        kept=KeptRungs(options.models, str(device) if given is None else f"{device}, {given.bytes} bytes"),
        stamp=Stamps(Registry(options.models).lookup),
    )


def _shapes(policy: MemoryPolicy) -> OpenVinoShapes:
    """Room for what OpenVINO compiles: a part of what drawing may take, where that is bounded."""
    most = host_memory() if policy.device is None else min(host_memory(), policy.device.bytes)
    return OpenVinoShapes(most // OPENVINO_SHARE)


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
    try:
        for line in sys.stdin.buffer:
            inbox.put(frames.decode_to_worker(line))
    except ValueError:
        os.write(sys.stderr.fileno(), b"The front wrote a line that is no frame.\n")
        os._exit(1)  # nothing after it can be trusted, and nobody would hear that the front is gone
    os._exit(0)  # the front is gone, and with it everybody who waits for a picture


def _beat(send: partial[None]) -> None:
    while True:
        time.sleep(frames.HEARTBEAT_S)
        send(frames.Heartbeat())


def _compiled_folder(path: Path | None, speed: Speed, compiler: Compiler) -> CompiledFolder | None:
    """Where torch keeps what it compiles, if it compiles anything; damaged it is made anew."""
    if speed is Speed.EXACT or compiler is Compiler.OPENVINO or path is None:
        return None
    os.environ[VARIABLE] = str(path)
    folder = CompiledFolder(path)
    folder.check()
    return folder


def _load(
    registry: Registry,
    device: Device,
    speed: Speed,
    compiler: Compiler,
    folder: CompiledFolder | None,
    shapes: OpenVinoShapes,
    name: str,
) -> Model:
    model = load_model(name, registry.lookup(name), device)
    if isinstance(model, LoadedPipeline):  # it is drawn as it is
        return model
    return sped_up(model, speed, folder, compiler, shapes)


def _load_control(folder: ControlFolder, device: Device, name: str) -> ControlNetwork:
    return load_control(folder.lookup(name), device)


def _load_upscaler(folder: UpscalerFolder, device: Device, name: str) -> Upscaler:
    return load_upscaler(name, folder.lookup(name), device)


def _load_restorer(folder: AdapterFolder, device: Device, name: str) -> Restorer:
    try:
        return load_restorer(name, folder.find(name), device)
    except NotAModel as fault:
        raise Refusal("restorer_broken", f"Face restorer '{name}' cannot be used: {fault}.") from fault
