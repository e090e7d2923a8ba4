"""Training of the ×4 upscaler's networks: v-prediction on latents, beside a picture a quarter as wide and high."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from torch.nn import functional

from engine.demo.training.autoencoder import to_pixels
from engine.demo.training.clip import tokens_of
from engine.demo.training.corpus import Pictures
from engine.demo.training.diffusion import NOISE, Latents, denoising_error
from engine.demo.training.networks import make_text_encoder, make_upscaling_unet
from engine.demo.training.training_run import TrainingRun
from engine.wire import MAX_NOISE_LEVEL, UPSCALE_FACTOR

LR = 1.5e-3
CROPS = (32, 32)  # pictures of a step, and latent cells of a side: each is a pixel of what is enlarged
WHOLE_PICTURES = (8, 64)  # in the last steps: whole pictures, whose statistics the group norms see later
WHOLE = 0.35  # of the steps; after crops alone, colours of whole pictures are off
SHAPES = 0.4  # of the pictures; all others are scenes
UNCONDITIONAL = 0.1  # of the captions are left empty, for classifier-free guidance
EARLY = 0.5  # exponent of the timesteps' chance: under 1, more are at much noise, for few steps later
LEVELS = 3.0  # exponent of the noise level's chance: most are low, as the levels are that people take
SHARP = 0.3  # of the small pictures are as sharp as averaging leaves them; a drawn picture is softer
BLURS = 2  # times that each pixel becomes the mean of the nine around it, where a picture is softest

LOW_RES_NOISE = {  # Stability's x4-upscaling.yaml
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
}


@dataclass(frozen=True)
class Targets:
    """What is to come out: pictures [n, s, s, 3], their latents [n, 4, s/4, s/4], not scaled, and what is in them."""

    pictures: Pictures
    latents: Latents
    caption: Callable[[int, int], str]  # of a picture's number, in a step


class UpscalingDenoiser(nn.Module):
    """Noisy latents, the picture [n, 3, h, w] with noise of a level, timesteps, levels and token ids to v."""

    def __init__(self, unet: Any, text_encoder: Any) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(
        self,
        noisy: torch.Tensor,
        shown: torch.Tensor,
        timesteps: torch.Tensor,
        levels: torch.Tensor,
        tokens: torch.Tensor,
    ) -> torch.Tensor:
        states = self.text_encoder(tokens).last_hidden_state
        seen = torch.cat([noisy, shown], dim=1).contiguous(memory_format=torch.channels_last)
        v: torch.Tensor = self.unet(seen, timesteps, states, class_labels=levels).sample
        return v


def train_upscaler(
    scenes: Targets,
    shapes: Targets,
    tokenizer: Any,
    *,
    scaling_factor: float,
    file: Path,
    steps: int,
    seed: int,
    device: torch.device,
    autocast: Callable[[], Any],
    compiled: bool,
) -> Any:
    """The trained `UpscalingDenoiser`. Where it is `compiled`, the first step of either size takes minutes."""
    torch.manual_seed(seed)
    network = _untrained(len(tokenizer), device, compiled)
    alphas = DDIMScheduler(**NOISE).alphas_cumprod.to(device)
    low_res = DDPMScheduler(**LOW_RES_NOISE)

    def loss_at(step: int) -> torch.Tensor:
        random = np.random.default_rng([seed, step])
        count, side = WHOLE_PICTURES if step >= steps * (1 - WHOLE) else CROPS
        pixels, clean, captions = _examples((scenes, shapes), count, side, step, random)
        timesteps, levels = (
            torch.from_numpy((random.random(count) ** power * most).astype(np.int64)).to(device)
            for power, most in ((EARLY, len(alphas)), (LEVELS, MAX_NOISE_LEVEL + 1))
        )
        noise, grain = (_normal(random, (count, channels, side, side)).to(device) for channels in (4, 3))
        shown = low_res.add_noise(reduced(pixels, _softness(random, count)).to(device), grain, levels)
        tokens = tokens_of(tokenizer, captions).to(device)

        def predict(noisy: torch.Tensor) -> torch.Tensor:
            with autocast():
                v: torch.Tensor = network(noisy, shown, timesteps, levels, tokens)
            return v

        return denoising_error(predict, clean.to(device) * scaling_factor, noise, alphas[timesteps]).mean()

    return TrainingRun(network, file=file, steps=steps, lr=LR, loss_at=loss_at).run()


def _untrained(vocabulary: int, device: torch.device, compiled: bool) -> UpscalingDenoiser:
    unet = make_upscaling_unet().to(device, memory_format=torch.channels_last)
    if device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # on few cells the fused kernel's backward pass is slower
    if compiled:
        unet.compile(dynamic=False)
    return UpscalingDenoiser(unet, make_text_encoder(vocabulary).to(device))


def _examples(
    sources: Sequence[Targets], count: int, side: int, step: int, random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Squares of `side` latent cells: pixels [n, 3, 4·side, 4·side], latents [n, 4, side, side], and captions."""
    pictures, latents, captions = [], [], []
    for source in random.choice(len(sources), count, p=(1 - SHAPES, SHAPES)):
        targets = sources[source]
        number = int(random.integers(len(targets.latents)))
        top, left = (int(start) for start in random.integers(0, targets.latents.shape[2] - side + 1, 2))
        rows, columns = (
            slice(start * UPSCALE_FACTOR, (start + side) * UPSCALE_FACTOR) for start in (top, left)
        )
        pictures.append(targets.pictures[number, rows, columns])
        latents.append(targets.latents[number, :, top : top + side, left : left + side])
        captions.append("" if random.random() < UNCONDITIONAL else targets.caption(number, step))
    return to_pixels(np.stack(pictures)), torch.from_numpy(np.stack(latents).astype(np.float32)), captions


def reduced(pixels: torch.Tensor, softness: torch.Tensor) -> torch.Tensor:
    """Pixels [n, 3, h, w] a quarter as wide and high: by averaging, and softened by `softness` [n], from 0 to 1."""
    small = functional.avg_pool2d(pixels, UPSCALE_FACTOR)
    soft = small
    for _ in range(BLURS):
        soft = functional.avg_pool2d(functional.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return small.lerp(soft, softness[:, None, None, None])


def _softness(random: np.random.Generator, count: int) -> torch.Tensor:
    return torch.from_numpy(np.clip(random.uniform(-SHARP / (1 - SHARP), 1, count), 0, 1).astype(np.float32))


def _normal(random: np.random.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(random.standard_normal(shape, np.float32))
