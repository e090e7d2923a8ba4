"""diffusers' own pipelines of one model, as its documentation uses them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from engine.wire import GenerationRequest, Sampler, Task
from engine.worker.schedulers import make_scheduler
from engine.worker.speed import for_each_shape

TCD_GAMMA = 0.3  # its authors', which the pipeline would set to nothing

Picture = np.ndarray[Any, np.dtype[np.uint8]]  # RGB, [H, W, 3]


@dataclass(frozen=True)
class Stock:
    """`text` and `image` are the pipelines of text-to-image and image-to-image, of the same parts. `config` is that of
    the scheduler they were loaded with, of which every sampler takes its noise.
    """

    text: Any
    image: Any
    config: dict[str, Any]

    @torch.inference_mode()
    def draw(
        self, requests: Sequence[GenerationRequest], start: Image.Image | None = None, **options: Any
    ) -> list[Picture]:
        """The pictures of requests of one kind as one batch, one request's after the other's; each picture has a
        generator of its own. Image-to-image begins with `start`, which has the request's size.
        """
        first = requests[0]
        prompts = [request.prompt for request in requests for _ in range(request.count)]
        negative = [request.negative_prompt for request in requests for _ in range(request.count)]
        seeds = [request.image_seed(index) for request in requests for index in range(request.count)]
        if first.task is Task.IMG2IMG:
            pipeline, options["image"] = self.image, [start] * len(prompts)
            options["strength"] = first.strength
        else:
            pipeline, options["width"], options["height"] = self.text, first.width, first.height
        pipeline.scheduler = make_scheduler(self.config, first.sampler, first.schedule)
        pixels = pipeline(
            prompt=prompts,
            negative_prompt=negative if any(negative) else None,  # SDXL takes none for another thing than ""
            num_inference_steps=first.steps,
            guidance_scale=first.guidance_scale,
            eta=TCD_GAMMA if first.sampler is Sampler.TCD else 0.0,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="np",
            **options,
        ).images
        return list((pixels * 255).round().astype(np.uint8))

    def set(self, **parts: Any) -> None:
        """Put other networks into both pipelines."""
        for pipeline in (self.text, self.image):
            for name, part in parts.items():
                setattr(pipeline, name, part)


def load_stock(folder: Path, dtype: torch.dtype) -> Stock:
    """On the CPU or the first GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # advice about a scheduler that nobody will use
        text = diffusers.DiffusionPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
        text = text.to("cuda" if torch.cuda.is_available() else "cpu")
        image = diffusers.AutoPipelineForImage2Image.from_pipe(text)
    for pipeline in (text, image):
        pipeline.set_progress_bar_config(disable=True)
    return Stock(text, image, dict(text.scheduler.config))


def compiled(stock: Stock) -> Stock:
    """The same as diffusers' guide to speed has it: the UNet channels-last and compiled for each of its shapes."""
    unet = stock.text.unet.to(memory_format=torch.channels_last)
    stock.set(unet=for_each_shape(unet))
    return stock
