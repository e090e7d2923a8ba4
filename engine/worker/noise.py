"""The noise of one image: drawn on the CPU from its seed, and where it has a variation seed from both."""

import torch
from diffusers.utils.torch_utils import randn_tensor

from engine.wire import GenerationRequest

PARALLEL = 0.9995  # cosine from which on two noises lie so close that the line between them is as good
ALMOST_ONE = 1 - 1e-6  # beyond it a sine of the angle is nothing to divide by


class Noise:
    """What is drawn before the first step: each call is the next draw, as from a generator of the image's seed.

    With a variation every draw lies between those of both seeds, so strength 0 is the plain seed and strength 1 is
    the variation seed. `generator` goes on with the noise of the steps, which A1111 takes from the plain seed.
    """

    def __init__(self, request: GenerationRequest, index: int) -> None:
        self.seed = request.image_seed(index)
        self._plain = torch.Generator("cpu").manual_seed(self.seed)
        self._strength = request.variation_strength
        self._varied: torch.Generator | None = None
        if (variation := request.image_variation_seed(index)) is not None:
            self._varied = torch.Generator("cpu").manual_seed(variation)

    @property
    def generator(self) -> torch.Generator:
        """Where samplers take the noise of their steps from."""
        return self._varied if self._varied is not None and self._strength == 1 else self._plain

    def draw(
        self, shape: tuple[int, ...], place: torch.device, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Standard normal noise of `shape`, [1, c, h, w], on `place`."""
        noise: torch.Tensor = randn_tensor(shape, generator=self._plain, device=place, dtype=dtype)
        if self._varied is None:
            return noise
        other: torch.Tensor = randn_tensor(shape, generator=self._varied, device=place, dtype=dtype)
        return slerp(noise, other, self._strength)


def slerp(start: torch.Tensor, end: torch.Tensor, share: float) -> torch.Tensor:
    """From `start` at 0 to `end` at 1 along the sphere, both [1, c, h, w].

    As A1111's `rng.slerp`, which takes every column of every channel as a vector, [h] each. It swaps the ends of the
    straight line where the two are nearly parallel, which is not repeated here.
    """
    if share <= 0 or share >= 1:
        return end if share >= 1 else start
    lengths = start.norm(dim=-2, keepdim=True) * end.norm(dim=-2, keepdim=True)
    cosine = (start * end).sum(dim=-2, keepdim=True) / lengths
    if cosine.mean() > PARALLEL:
        return torch.lerp(start, end, share)
    angle = torch.acos(cosine.clamp(-ALMOST_ONE, ALMOST_ONE))
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)
