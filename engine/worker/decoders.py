"""Who makes pixels of latents: the model's own autoencoder, or a tiny one where the operator asks for it."""

import base64
import logging
from dataclasses import dataclass, field
from typing import Any

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

    def preview(self, model: StableDiffusion, image: ImageInFlight, *, hidden: bool) -> str | None:
        """A base64 JPEG of an unfinished picture. Where no tiny decoder can, the matrix does.

        None for an upscaler, unless its card says what colours its latents have.
        """
        latents = image.latents if image.estimate is None else image.estimate
        drawn = self._decoded(model, image, latents, hidden)
        if drawn is None and (matrix := model.latent_to_rgb) is not None:
            drawn = preview_jpeg(latents[0].float().cpu().numpy(), matrix, hidden=hidden)
        return None if drawn is None else base64.b64encode(drawn).decode()

    def _decoded(
        self, model: StableDiffusion, image: ImageInFlight, latents: torch.Tensor, hidden: bool
    ) -> bytes | None:
        """By the tiny decoder; None where there is none, or it fails: for a preview no picture need be lost."""
        if not self.previews or self.tiny is None:
            return None
        try:
            tiny = model.with_vae(self.tiny.of(model)).with_tiling(image.seamless)
            return jpeg(decode_latents(tiny, latents), hidden=hidden)
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
