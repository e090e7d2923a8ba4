"""Training of the diffusion network: v-prediction on latents; the text encoder is frozen, or learns with it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import DDIMScheduler
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from engine.demo.training.autoencoder import to_pixels
from engine.demo.training.clip import tokens_of
from engine.demo.training.corpus import CELLS, FACTOR, Corpus, Pictures
from engine.demo.training.networks import make_unet
from engine.demo.training.scenes import PICTURE
from engine.demo.training.training_run import TrainingRun

BATCH = 32
LR = 1.5e-3
SIDE = PICTURE // FACTOR  # latent cells
UNCONDITIONAL = 0.12  # of the captions are left empty, for classifier-free guidance
GAMMA = 20.0  # as min-SNR (Hang et al. 2023, arXiv 2303.09556), which takes 5: strokes show on nearly clean pictures
THINGS = 2.0  # additional weight of the cells that show a thing: they are few, and what people look at
EARLY = 0.8  # exponent of the timesteps' chance: under 1, more are at much noise, where layouts are decided
ENCODE_BATCH = 8

NOISE = {  # Stable Diffusion's schedule with more noise at the end, so that the mean colour is noise as well
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "timestep_spacing": "trailing",  # from the very end, where there is nothing but noise
}

Latents = npt.NDArray[np.float16]


def encode_corpus(corpus: Corpus, autoencoder: Any, *, count: int, autocast: Callable[[], Any]) -> Latents:
    """Latents of the first canvases, [count, 4, CELLS, CELLS], not scaled."""
    return encode(corpus.pictures[:count], autoencoder, folder=corpus.folder, autocast=autocast)


@torch.inference_mode()
def encode(pictures: Pictures, autoencoder: Any, *, folder: Path, autocast: Callable[[], Any]) -> Latents:
    """Latents of pictures [n, h, w, 3], not scaled; kept in `folder`.

    The file's name tells the autoencoder: another one's latents are of no use.
    """
    weights = torch.cat([parameter.detach().cpu().flatten() for parameter in autoencoder.parameters()])
    digest = hashlib.sha256(weights.numpy().tobytes()).hexdigest()[:8]
    file, device = folder / f"latents-{len(pictures)}-{digest}.npy", autoencoder.device
    autoencoder.to(memory_format=torch.channels_last)
    if not file.exists():
        encoded = []
        for start in range(0, len(pictures), ENCODE_BATCH):
            with autocast():
                pixels = to_pixels(pictures[start : start + ENCODE_BATCH])
                means = autoencoder.encode(pixels.to(device)).latent_dist.mean
            encoded.append(means.cpu().to(torch.float16).numpy())
        np.save(file, np.concatenate(encoded))
    loaded: Latents = np.load(file)
    return loaded


class Denoiser(nn.Module):
    """Both networks that a prompt passes: noisy latents, timesteps and token ids [n, 77] to v, like the latents."""

    def __init__(self, unet: Any, text_encoder: Any) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        v: torch.Tensor = self.unet(noisy, timesteps, self.text_encoder(tokens).last_hidden_state).sample
        return v


def train_diffusion(
    corpus: Corpus,
    latents: Latents,
    tokenizer: Any,
    text_encoder: Any,
    *,
    start: Any,
    scaling_factor: float,
    file: Path,
    steps: int,
    seed: int,
    device: torch.device,
    autocast: Callable[[], Any],
    joint: bool,
    compiled: bool,
) -> Any:
    """The trained `Denoiser`. Each step takes BATCH cuts of scenes with captions of chance.

    It begins with the weights of `start`, or where that is None, with random ones. Only where training is `joint`
    does the text encoder learn with it. Where it is `compiled`, the first step takes minutes and all others are
    about a tenth shorter.
    """
    torch.manual_seed(seed)
    unet = make_unet() if start is None else start
    unet = unet.float().to(device, memory_format=torch.channels_last)
    if device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # on few cells the fused kernel's backward pass is slower
    if compiled:
        unet.compile()
    network = Denoiser(unet, text_encoder.to(device).requires_grad_(joint))
    alphas = DDIMScheduler(**NOISE).alphas_cumprod.to(device)
    chances = corpus.chances(len(latents))

    def loss_at(step: int) -> torch.Tensor:
        random = np.random.default_rng([seed, step])
        numbers = random.choice(len(latents), BATCH, replace=False, p=chances)
        clean, masks = (each.to(device) for each in _cuts(latents, corpus.masks, numbers, random))
        captions = [
            "" if random.random() < UNCONDITIONAL else corpus.caption(int(number), step) for number in numbers
        ]
        noise = torch.from_numpy(random.standard_normal(clean.shape, np.float32)).to(device)
        timesteps = torch.from_numpy((random.random(BATCH) ** EARLY * len(alphas)).astype(np.int64)).to(
            device
        )
        tokens = tokens_of(tokenizer, captions).to(device)

        def predict(noisy: torch.Tensor) -> torch.Tensor:
            with autocast():
                v: torch.Tensor = network(noisy, timesteps, tokens)
            return v

        error = denoising_error(predict, clean * scaling_factor, noise, alphas[timesteps])
        loss: torch.Tensor = (error * (1 + THINGS * masks)).mean()
        return loss

    return TrainingRun(network, file=file, steps=steps, lr=LR, loss_at=loss_at).run()


def denoising_error(
    predict: Callable[[torch.Tensor], torch.Tensor],
    clean: torch.Tensor,
    noise: torch.Tensor,
    alphas: torch.Tensor,
) -> torch.Tensor:
    """The squared error [n, 4, h, w] of the v that `predict` finds in scaled latents with noise on them.

    `alphas` [n] are the shares of the latents' variance that are left. Weighted by them.
    """
    left = alphas[:, None, None, None]
    signal, spread = left.sqrt(), (1 - left).sqrt()
    noisy = (signal * clean + spread * noise).contiguous(memory_format=torch.channels_last)
    error = (predict(noisy).float() - (signal * noise - spread * clean)).square()
    return error * _weights(left)


def _weights(alphas: torch.Tensor) -> torch.Tensor:
    """Of the loss on v: one where noise prevails, (γ + 1) / (SNR + 1) where the picture does."""
    return ((GAMMA + 1) * (1 - alphas)).clamp(max=1)


def _cuts(
    latents: Latents,
    masks: npt.NDArray[np.uint8],
    numbers: npt.NDArray[np.int64],
    random: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [n, 4, SIDE, SIDE] and masks [n, 1, SIDE, SIDE] in [0, 1], each scene cut at a place of its own."""
    cut_latents, cut_masks = [], []
    for number, (top, left) in zip(
        numbers, random.integers(0, CELLS - SIDE + 1, (len(numbers), 2)), strict=True
    ):
        place = (slice(top, top + SIDE), slice(left, left + SIDE))
        cut_latents.append(latents[number][:, *place])
        cut_masks.append(masks[number][place])
    return (
        torch.from_numpy(np.stack(cut_latents).astype(np.float32)),
        torch.from_numpy(np.stack(cut_masks)[:, None].astype(np.float32) / 255),
    )
