"""What it costs to say where a picture comes from: milliseconds per picture for each step, best of several."""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.images import signing_key, watermark
from engine.images.encoding import encode
from engine.images.record import Record
from engine.images.signature import sign
from engine.wire import MEDIA_TYPES, Format, GenerationRequest, Sampler

TRIES = 7
SIDES = (256, 512, 768, 1024)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        key = signing_key.load_or_make(Path(folder) / "signing.pem")
    for side in SIDES:
        pixels = soft_colours(side)
        marked = watermark.embed(pixels, "DRKROM")
        spent = {"watermark": best(partial(watermark.embed, pixels, "DRKROM"))}
        for kind in Format:
            about = Record(request=request(side, kind), seed=1, model_hash="0" * 10, version="0")
            content = encode(marked, "infotext", about)
            spent[kind] = best(partial(encode, marked, "infotext", about))
            spent[f"sign {kind}"] = best(partial(sign, content, MEDIA_TYPES[kind], key, "0"))
        sys.stdout.write(
            f"{side} × {side}: {', '.join(f'{name} {ms:.1f} ms' for name, ms in spent.items())}\n"
        )


def soft_colours(side: int) -> npt.NDArray[np.uint8]:
    """Something like a picture [side, side, 3]: smooth, with a little noise."""
    random = np.random.default_rng(0)
    waves = np.sin(np.add.outer(np.arange(side), 2 * np.arange(side))[..., None] / np.array([40, 60, 90]))
    colours: npt.NDArray[np.float64] = 128 + 90 * waves + random.normal(size=(side, side, 3)) * 4
    return colours.clip(0, 255).astype(np.uint8)


def request(side: int, kind: Format) -> GenerationRequest:
    return GenerationRequest(
        model="bench",
        prompt="a hamster",
        width=side,
        height=side,
        steps=20,
        guidance_scale=7.0,
        sampler=Sampler.EULER,
        seed=1,
        format=kind,
    )


def best(work: Callable[[], object]) -> float:
    """Milliseconds of the quickest try: the others waited for somebody else's work."""
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


if __name__ == "__main__":
    main()
