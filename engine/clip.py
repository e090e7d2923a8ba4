"""CLIP: how near a picture is to words. An open_clip model from a folder, on the CPU; offline, safetensors only.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision" (arXiv 2103.00020).
It runs beside the device that draws, never on it: looking takes a fraction of drawing, and no memory from it.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from engine.models.companions import writes
from engine.models.damage import note_damage
from engine.models.loading import ModelBroken

log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
MOST_TOKENS = 30  # of a caption, as open_clip's `CoCa.generate`
BATCH = 64  # texts that are read at a time


class Clip:
    """A loaded open_clip model. All it says is the same for the same picture. Calls block."""

    def __init__(self, network: Any, preprocess: Any, tokenizer: Any, *, writes: bool) -> None:
        self._network = network
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self.writes = writes

    @torch.inference_mode()
    def picture(self, pixels: Pixels) -> torch.Tensor:
        """The direction of a picture [H, W, 3], [1, width] and of length 1."""
        features: torch.Tensor = self._network.encode_image(self._seen(pixels), normalize=True)
        return features

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """The directions of texts, [n, width]. What is longer than the model reads, often 77 tokens, is cut."""
        batches = [list(texts[first : first + BATCH]) for first in range(0, len(texts), BATCH)]
        read = [self._network.encode_text(self._tokenizer(batch), normalize=True) for batch in batches]
        return torch.cat(read)

    def scores(self, pixels: Pixels, texts: Sequence[str]) -> list[float]:
        """The cosine in [-1, 1] between a picture and each text. Raises ModelBroken."""
        cosines = (self.picture(pixels) @ self.texts(texts).T)[0]
        if not bool(torch.isfinite(cosines).all()):
            raise ModelBroken("The CLIP is damaged: it gives no numbers.")
        found: list[float] = cosines.tolist()
        return found

    @torch.inference_mode()
    def caption(self, pixels: Pixels) -> str:
        """What a model that `writes` says of a picture: each token the likeliest one after those before it.

        open_clip's own `CoCa.generate` needs a class that transformers 5 has no more.
        """
        seen = self._seen(pixels)
        latent, tokens = self._network._encode_image(seen)
        start, end = self._tokenizer([""])[0, :2].tolist()
        text = [start]
        while len(text) < MOST_TOKENS:
            answer = self._network(
                seen, torch.tensor([text]), image_latent=latent, image_embs=tokens, output_labels=False
            )
            following = int(answer["logits"][0, -1].argmax())
            if following == end:
                break
            text.append(following)
        tokenizer = getattr(self._tokenizer, "tokenizer", self._tokenizer)  # transformers' own has one inside
        words: str = tokenizer.decode(text[1:])
        return " ".join(words.split())

    def _seen(self, pixels: Pixels) -> torch.Tensor:
        seen: torch.Tensor = self._preprocess(Image.fromarray(pixels))[None]
        return seen


def load_clip(folder: Path) -> Clip:
    """The model in a folder of open_clip's. Raises ModelBroken."""
    import open_clip  # here: it brings timm, a good part of the worker's start, and most pictures need neither

    place = f"local-dir:{folder}"
    try:
        network, preprocess = open_clip.create_model_from_pretrained(place)
        tokenizer = open_clip.get_tokenizer(place)
    except Exception as error:  # whatever a broken file provokes in three libraries
        note_damage(f"the CLIP {folder.name}", error)
        raise ModelBroken(f"The CLIP {folder.name!r} is damaged: it could not be loaded.") from error
    return Clip(network.eval().requires_grad_(False), preprocess, tokenizer, writes=writes(folder))
