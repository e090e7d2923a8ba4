"""From drawn pixels to the file that leaves the engine, in the one order that works.

pixels → watermark → infotext and record → XMP → signature: each step would undo the ones after it.
Blocking: call from a thread.
"""

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.images import watermark
from engine.images.encoding import encode
from engine.images.record import Record
from engine.images.signature import sign
from engine.images.signing_key import SigningKey
from engine.prompts.wildcards import Words
from engine.wire import MEDIA_TYPES, GenerationRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Finisher:
    """`watermark` has six ASCII characters, or none for no mark; without a `key` nothing is signed."""

    version: str
    watermark: str = ""
    key: SigningKey | None = None

    def finish(
        self,
        pixels: npt.NDArray[np.uint8],
        request: GenerationRequest,
        *,
        seed: int,
        model_hash: str,
        words: Words | None = None,
        variation_seed: int | None = None,
        kept: npt.NDArray[np.bool_] | None = None,
        score: float | None = None,
        hashes: dict[str, str] | None = None,
    ) -> tuple[bytes, str]:
        """The file of one picture, of RGB pixels [H, W, 3], and its infotext.

        `words` are the prompts that it was drawn from; None: the request's. `kept` [H, W] are the pixels that are
        somebody's own and stay as they are, without a mark. `hashes` are those of adapters, under A1111's keys.
        """
        pixels, mark = self._marked(pixels, kept)
        same = words == Words(request.prompt, request.negative_prompt)
        about = Record(
            request=request,
            words=None if same else words,
            seed=seed,
            variation_seed=variation_seed,
            size=(pixels.shape[1], pixels.shape[0]),
            model_hash=model_hash,
            version=self.version,
            watermark=mark,
            score=score,
            hashes=hashes or {},
        )
        text = about.infotext()
        content = encode(pixels, text, about)
        if self.key is not None:
            content = sign(content, MEDIA_TYPES[request.format], self.key, self.version)
        return content, text

    def _marked(
        self, pixels: npt.NDArray[np.uint8], kept: npt.NDArray[np.bool_] | None
    ) -> tuple[npt.NDArray[np.uint8], str]:
        """The pixels and the mark in them. A picture that cannot carry it is better than none."""
        if not self.watermark:
            return pixels, ""
        try:
            marked = watermark.embed(pixels, self.watermark)
        except watermark.WatermarkLost as why:
            log.info("no watermark: %s", why)
            return pixels, ""
        if kept is None:
            return marked, self.watermark
        marked = np.where(kept[..., None], pixels, marked)
        if watermark.find(marked, [watermark.Mark(self.watermark)]):
            return marked, self.watermark
        log.info("no watermark: too little of the picture is new to carry one")
        return pixels, ""
