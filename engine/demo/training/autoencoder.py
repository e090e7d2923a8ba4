"""Training of the autoencoder: pictures to latents and back; and of its decoder alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.demo.training.corpus import CELLS, FACTOR, Corpus
from engine.demo.training.networks import CHANNELS, make_autoencoder
from engine.demo.training.scenes import CANVAS, PICTURE
from engine.demo.training.training_run import TrainingRun

CROP, CROPS = 64, 8  # convolutions learn from crops as well as from pictures, sixteen times cheaper
WHOLE = 0.12  # of the steps, the last ones: whole pictures, whose statistics the group norms see when drawing
LR, DECODER_LR = 2e-3, 1e-3
DECODER_CELLS, DECODER_CROPS = (
    16,
    4,
)  # its crops lie on latent cells, as the pictures do that it decodes later
EDGES = 0.5  # weight of the differences between neighbours: sharp outlines
KL = 1e-6  # as Stable Diffusion's


def train_autoencoder(
    corpus: Corpus,
    *,
    file: Path,
    steps: int,
    seed: int,
    device: torch.device,
    autocast: Callable[[], Any],
    channels: tuple[int, ...] = CHANNELS,
) -> Any:
    """The trained autoencoder, an `AutoencoderKL`; its `scaling_factor` is not set yet."""
    torch.manual_seed(seed)
    network = make_autoencoder(channels).to(device, memory_format=torch.channels_last)

    def loss_at(step: int) -> torch.Tensor:
        random = np.random.default_rng([seed, step])
        whole = step >= steps * (1 - WHOLE)
        pixels = _crops(corpus, random, *((1, PICTURE) if whole else (CROPS, CROP))).to(device)
        with autocast():
            posterior = network.encode(pixels).latent_dist
            decoded = network.decode(posterior.sample()).sample.float()
        loss: torch.Tensor = _difference(decoded, pixels) + KL * posterior.kl().mean()
        return loss

    return TrainingRun(network, file=file, steps=steps, lr=LR, loss_at=loss_at).run()


def train_decoder(
    corpus: Corpus,
    autoencoder: Any,
    latents: npt.NDArray[np.float16],
    *,
    file: Path,
    steps: int,
    seed: int,
    device: torch.device,
    autocast: Callable[[], Any],
) -> Any:
    """The autoencoder with a better decoder. Its encoder, and so every latent, stays as it is.

    `latents` [n, 4, CELLS, CELLS] are those of the corpus's first canvases.
    """
    torch.manual_seed(seed)
    network = autoencoder.to(device, memory_format=torch.channels_last)
    for frozen in (network.encoder, network.quant_conv):
        frozen.requires_grad_(False)
    chances = corpus.chances(len(latents))

    def loss_at(step: int) -> torch.Tensor:
        random = np.random.default_rng([seed, step])
        whole = step >= steps * (1 - WHOLE)
        count, side = (1, PICTURE // FACTOR) if whole else (DECODER_CROPS, DECODER_CELLS)
        codes, pixels = _cells(corpus, latents, random.choice(len(latents), count, p=chances), side, random)
        with autocast():
            decoded = network.decode(codes.to(device)).sample.float()
        return _difference(decoded, pixels.to(device))

    return TrainingRun(network, file=file, steps=steps, lr=DECODER_LR, loss_at=loss_at).run()


def _difference(decoded: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    loss = (decoded - pixels).abs().mean()
    for axis in (2, 3):
        loss = loss + EDGES * (decoded.diff(dim=axis) - pixels.diff(dim=axis)).abs().mean()
    return loss


def _cells(
    corpus: Corpus,
    latents: npt.NDArray[np.float16],
    numbers: npt.NDArray[np.int64],
    side: int,
    random: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [n, 4, side, side] and their pixels, of squares of `side` cells, mostly of the middle."""
    codes, pictures = [], []
    for number in numbers:
        top, left = np.clip(random.normal((CELLS - side) / 2, 6, 2), 0, CELLS - side).astype(int)
        codes.append(latents[number, :, top : top + side, left : left + side])
        rows, columns = (slice(FACTOR * start, FACTOR * (start + side)) for start in (top, left))
        pictures.append(corpus.pictures[number, rows, columns])
    stacked = torch.from_numpy(np.stack(codes).astype(np.float32))
    return stacked.contiguous(memory_format=torch.channels_last), to_pixels(np.stack(pictures))


def _crops(corpus: Corpus, random: np.random.Generator, count: int, side: int) -> torch.Tensor:
    """Crops [count, 3, side, side] in [-1, 1], mostly of the middle, where the things are."""
    crops = np.empty((count, side, side, 3), np.uint8)
    for crop in crops:
        top, left = np.clip(random.normal((CANVAS - side) / 2, 50, 2), 0, CANVAS - side).astype(int)
        crop[:] = corpus.pictures[random.integers(corpus.size), top : top + side, left : left + side]
    return to_pixels(crops)


def to_pixels(pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    """Pictures [n, h, w, 3] to pixels [n, 3, h, w] in [-1, 1], channels last in memory."""
    pixels = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
