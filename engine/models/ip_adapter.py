"""An IP-Adapter: an image encoder, a projection of what it sees to tokens, and attention that reads those tokens.

Ye et al. 2023 (arXiv 2308.06721). Files as of https://github.com/tencent-ailab/IP-Adapter: `image_proj.*` and
`ip_adapter.N.to_k_ip`, `to_v_ip` with N = 1, 3, 5 … for each cross-attention, in the order of diffusers' UNet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPVisionModelWithProjection

CROSS = "attn2.processor"  # what the names of cross-attention's processors end with in diffusers' UNets


class IPAdapter(torch.nn.Module):
    """`layers` are the attention processors, one for each cross-attention of the network that it was trained for."""

    def __init__(self, *, encoder: Any, projection: Any, layers: list[Any]) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.layers = torch.nn.ModuleList(layers)
        side = encoder.config.image_size
        self._processor = transformers.CLIPImageProcessor(size=side, crop_size=side)

    @torch.inference_mode()
    def tokens(self, picture: Image.Image) -> torch.Tensor:
        """What the network attends to beside the words, [2, tokens, width]: of no picture, and of this one."""
        weights = next(self.encoder.parameters())
        pixels = self._processor(picture, return_tensors="pt").pixel_values.to(weights.device, weights.dtype)
        if isinstance(self.projection, ImageProjection):
            seen = self.encoder(pixels).image_embeds
            return self._projected(torch.cat([torch.zeros_like(seen), seen]))
        both = torch.cat([torch.zeros_like(pixels), pixels])
        return self._projected(self.encoder(both, output_hidden_states=True).hidden_states[-2])

    def fits(self, unet: Any) -> bool:
        """Whether it was trained for a network of this shape."""
        if unet.encoder_hid_proj is not None:  # something else is projected there
            return False
        names = [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith(CROSS)]
        shapes = [(each.to_k.out_features, each.to_k.in_features) for each in map(unet.get_submodule, names)]
        return shapes == [(each.hidden_size, each.cross_attention_dim) for each in self.layers]

    @contextmanager
    def worn_by(self, unet: Any, weight: float) -> Iterator[None]:
        """Inside the block the network's cross-attention reads tokens too; afterwards it is as it was.

        They are handed in as `added_cond_kwargs["image_embeds"]`, projected already.
        """
        plain, kind = unet.attn_processors, unet.config.encoder_hid_dim_type
        names = [name for name in plain if name.endswith(CROSS)]
        layers: list[Any] = list(self.layers)
        for layer in layers:
            layer.scale = [weight]
        unet.set_attn_processor(plain | dict(zip(names, layers, strict=True)))
        unet.encoder_hid_proj, unet.config.encoder_hid_dim_type = _as_they_are, "ip_image_proj"
        try:
            yield
        finally:
            unet.encoder_hid_proj, unet.config.encoder_hid_dim_type = None, kind
            unet.set_attn_processor(dict(plain))

    def _projected(self, seen: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.projection(seen)
        return tokens


def _as_they_are(tokens: list[torch.Tensor]) -> list[torch.Tensor]:
    return tokens


def load_ip_adapter(file: Path, encoder: Path, dtype: torch.dtype) -> IPAdapter:
    """On the CPU, in `dtype`. Raises whatever a broken file provokes."""
    tensors = load_file(file)
    projection = UNet2DConditionLoadersMixin._convert_ip_adapter_image_proj_to_diffusers(
        None, _under("image_proj.", tensors), low_cpu_mem_usage=False
    )
    attention = _under("ip_adapter.", tensors)
    numbers = sorted({int(name.split(".")[0]) for name in attention})
    vision = CLIPVisionModelWithProjection.from_pretrained(
        encoder, local_files_only=True, use_safetensors=True, dtype=dtype
    )
    layers = [_layer(attention, number) for number in numbers]
    return IPAdapter(encoder=vision, projection=projection, layers=layers).to(dtype)


def _layer(attention: dict[str, torch.Tensor], number: int) -> Any:
    key, value = (attention[f"{number}.to_{letter}_ip.weight"] for letter in "kv")
    layer = IPAdapterAttnProcessor2_0(hidden_size=key.shape[0], cross_attention_dim=key.shape[1])
    layer.load_state_dict({"to_k_ip.0.weight": key, "to_v_ip.0.weight": value})
    return layer


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): it for name, it in tensors.items() if name.startswith(prefix)}
