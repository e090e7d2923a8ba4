"""An embedding's file: vectors that a word stands for, found by textual inversion (Gal et al. 2022, arXiv 2208.01618).

A1111 writes them as `emb_params`, diffusers under the word itself, and those for SDXL's two text encoders are
`clip_l` and `clip_g`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file

from engine.errors import Refusal
from engine.models.detection import Kind, detect
from engine.models.fault import Corrupt, WrongKind
from engine.models.header import read_header
from engine.prompts.limits import CHUNK_TOKENS, MAX_CHUNKS

SHOWN_DIGITS: Final = 12  # of a hash, as A1111 writes it to `TI hashes`
OF_SDXL: Final = {"clip_l", "clip_g"}


@dataclass(frozen=True, eq=False)
class Embedding:
    """A word and its vectors, on the CPU: [vectors, width] by the text encoder, "" for the only one, or SDXL's
    "clip_l" and "clip_g". `hash` has the first twelve hex digits of the file's SHA-256.
    """

    name: str
    hash: str
    vectors: dict[str, torch.Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.vectors.values())))

    def of(self, widths: Mapping[str, int]) -> dict[str, torch.Tensor]:
        """The vectors for text encoders whose words are so wide. Raises Refusal embedding_incompatible."""
        own = {encoder: each for encoder, each in self.vectors.items() if encoder in widths}
        if {encoder: each.shape[1] for encoder, each in own.items()} != dict(widths):
            has = " and ".join(f"{each.shape[1]}" for each in self.vectors.values())
            needed = " and ".join(map(str, widths.values()))
            raise Refusal(
                "embedding_incompatible",
                f"The embedding '{self.name}' does not go with this model: its vectors have {has} numbers, and"
                f" the model's words have {needed}.",
                field="prompt",
            )
        return own


def read_embedding(name: str, path: Path) -> Embedding:
    """Raises Missing, Corrupt or Truncated where the file is damaged, WrongKind where it is no embedding."""
    header = read_header(path)
    if (found := detect(header).kind) is not Kind.EMBEDDING:
        raise WrongKind(f"it is {found}, not an embedding")
    if any(len(shape) not in (1, 2) or not shape[-1] for shape in header.shapes.values()):
        raise WrongKind("its numbers are no list of vectors")
    tensors = load_file(path)
    if any(tensor.is_complex() or not tensor.float().isfinite().all() for tensor in tensors.values()):
        raise Corrupt("it holds what is no number")
    vectors = {
        key if key in OF_SDXL else "": tensor.float().reshape(-1, tensor.shape[-1])
        for key, tensor in sorted(tensors.items())
    }
    if len(vectors) < len(tensors) or len({len(each) for each in vectors.values()}) > 1:
        raise WrongKind("it holds more than one embedding")
    if not 0 < len(next(iter(vectors.values()))) <= CHUNK_TOKENS * MAX_CHUNKS:
        raise WrongKind("it has no vectors, or more than a prompt may have")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Embedding(name, digest[:SHOWN_DIGITS], vectors)
