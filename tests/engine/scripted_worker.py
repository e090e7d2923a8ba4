"""A worker without torch for the tests of the front: it speaks the frames, and does what the prompt says.

Words in a prompt: `crash` dies at the first step, `hang` says nothing more, heartbeats included, `slow` makes a
step only when the file `go` appears in the job's folder, `fail` reports a failure, `garbage` writes no frame,
`lost` reports images that it did not write. Anything else is drawn at once.

Arguments: a file to which every start is appended, then the number of images in flight. A command line of one word
that the front tells it is its device.
"""

import hashlib
import os
import queue
import sys
import threading
import time
from pathlib import Path

from engine import frames
from engine.wire import MEDIA_TYPES, ErrorBody, ImageInfo, Task

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
POLL_S = 0.01


def main() -> None:
    journal, in_flight = Path(sys.argv[1]), int(sys.argv[2])
    commands: queue.SimpleQueue[frames.ToWorker] = queue.SimpleQueue()
    first = sys.stdin.buffer.readline() or os._exit(0)  # the front is gone before it said a word
    told = frames.decode_begin(first).arguments
    threading.Thread(target=read, args=(commands,), daemon=True).start()
    say(frames.Ready(device=told[0] if len(told) == 1 else "scripted", in_flight=in_flight))
    beat()
    slow: dict[str, frames.Start] = {}
    beaten = time.monotonic()
    while True:
        try:
            command = commands.get(timeout=POLL_S)
        except queue.Empty:
            command = None
        if time.monotonic() - beaten > frames.HEARTBEAT_S / 4:
            beat()
            beaten = time.monotonic()
        for job in [job for job, start in slow.items() if (start.folder / "go").exists()]:
            draw(slow.pop(job))
        match command:
            case frames.Stop():
                os._exit(0)  # a plain return waits a second for the reading thread's lock, then aborts
            case frames.Cancel() if slow.pop(command.job, None):
                say(frames.Cancelled(job=command.job))
            case frames.Start():
                with journal.open("a") as file:
                    file.write(f"{command.job}\n")
                obey(command, slow)


def obey(start: frames.Start, slow: dict[str, frames.Start]) -> None:
    words = start.request.prompt.split()
    sys.stderr.write(f"drawing {start.job}\n")
    say(frames.Loading(job=start.job, model=start.request.model))
    say(frames.Progress(job=start.job, step=0, steps=start.request.steps))
    if "crash" in words:
        os._exit(13)
    if "hang" in words:
        threading.Event().wait()
    if "garbage" in words:
        os.write(1, b"this is no frame\n")
    if "fail" in words:
        error = ErrorBody(code="out_of_memory", message="It does not fit.")
        say(frames.Failed(job=start.job, error=error))
    elif "slow" in words:
        slow[start.job] = start
    else:
        draw(start, write="lost" not in words)


def draw(start: frames.Start, *, write: bool = True) -> None:
    request = start.request
    if request.task is Task.DESCRIBE:
        say(frames.Finished(job=start.job, images=(), seconds=0.01, description="scripted"))
        return
    images = []
    for index in range(request.count):
        if write:
            (start.folder / f"{index}.{request.format}").write_bytes(PIXEL)
        images.append(
            ImageInfo(
                index=index,
                seed=request.image_seed(index),
                width=request.width,
                height=request.height,
                media_type=MEDIA_TYPES[request.format],
                bytes=len(PIXEL),
                sha256=hashlib.sha256(PIXEL).hexdigest(),
                infotext="scripted",
            )
        )
    say(frames.Progress(job=start.job, step=request.steps, steps=request.steps))
    say(frames.Finished(job=start.job, images=tuple(images), seconds=0.01, notices=("scripted",)))


def read(commands: "queue.SimpleQueue[frames.ToWorker]") -> None:
    for line in sys.stdin.buffer:
        commands.put(frames.decode_to_worker(line))
    os._exit(0)  # the front is gone


def say(frame: frames.FromWorker) -> None:
    os.write(1, frames.encode(frame))


def beat() -> None:
    say(frames.Heartbeat())


if __name__ == "__main__":
    main()
