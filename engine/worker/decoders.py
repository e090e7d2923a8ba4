"""Who makes pixels of latents: the model's own autoencoder, or a tiny one where the operator asks for it."""

import base64
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import Refusal
from engine.images.previews import jpeg, preview_jpeg
from engine.models.loading import StableDiffusion
from engine.models.tiny_decoder import TinyDecoders
from engine.models.vae import Vae
from engine.wire import GenerationRequest
from engine.worker.device import free_memory, is_out_of_memory
from engine.worker.flight import ImageInFlight
from engine.worker.pixels import NotANumber, decode_latents

log = logging.getLogger(__name__)

KEY = "VAE Decoder"  # as A1111 calls it in infotext


@dataclass(frozen=True, kw_only=True)
class Decoders:
    """`previews` and `pictures` say what tiny decoders are for; without `tiny` there are none."""

    tiny: TinyDecoders | None = None
    previews: bool = False
    pictures: bool = False
    _said: set[str] = field(default_factory=set, repr=False)

    def of(self, model: Any, request: GenerationRequest) -> Vae | None:
        """What decodes a request's pictures; None: the model's own, or the VAE that the request names.

        Raises Refusal decoder_broken, before anything is drawn.
        """
        if not self.pictures or request.vae is not None or not isinstance(model, StableDiffusion):
            return None
        return None if self.tiny is None else self.tiny.of(model)

    def preview(
        self, model: StableDiffusion, image: ImageInFlight, *, hidden: bool
    ) -> Callable[[], str] | None:
        """What gives a base64 JPEG of an unfinished picture, for a thread. Without a tiny decoder the matrix draws it.

        None for an upscaler, unless its card says what colours its latents have.
        """
        latents = image.latents if image.estimate is None else image.estimate
        pixels = self._decoded(model, image, latents)
        if pixels is not None:
            return partial(_in_base64, partial(jpeg, pixels, hidden=hidden))
        if (matrix := model.latent_to_rgb) is not None:
            return partial(_in_base64, partial(_of_matrix, latents[0], matrix, hidden=hidden))
        return None

    def _decoded(
        self, model: StableDiffusion, image: ImageInFlight, latents: torch.Tensor
    ) -> npt.NDArray[np.uint8] | None:
        """By the tiny decoder; None where there is none, or it fails: for a preview no picture need be lost."""
        if not self.previews or self.tiny is None:
            return None
        try:
            return decode_latents(model.with_vae(self.tiny.of(model)).with_tiling(image.seamless), latents)
        except (Refusal, NotANumber) as why:
            self._say(str(why) or "The tiny autoencoder gave no numbers.")
            return None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        free_memory(model.device.place)
        self._say("The tiny autoencoder did not fit into memory.")
        return None

    def _say(self, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            log.warning("previews are the matrix's: %s", why)


def told(decoder: Vae) -> str:
    """What the person is told whose pictures it decodes."""
    return f"Decoded by the tiny autoencoder {decoder.name}: details are rougher than the model's own."


def _of_matrix(latents: torch.Tensor, matrix: Sequence[Sequence[float]], *, hidden: bool) -> bytes:
    """Only here, in the thread, is waited for a GPU to have come as far as these latents."""
    return preview_jpeg(latents.float().cpu().numpy(), matrix, hidden=hidden)


def _in_base64(draw: Callable[[], bytes]) -> str:
    return base64.b64encode(draw()).decode()
