"""What an image is drawn with besides its model: LoRAs with their weights, and embeddings."""

from dataclasses import dataclass
from functools import cached_property

from engine.models.embedding import Embedding
from engine.models.lora import UNET, LoraWeights
from engine.models.lora_layers import Weighted

Key = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class WeightedLora:
    """A LoRA, fitted to the image's model, and how much of it goes into each network."""

    lora: LoraWeights
    text_encoder: float
    unet: float

    def weight(self, network: str) -> float:
        """All text encoders have the same."""
        return self.unet if network == UNET else self.text_encoder


@dataclass(frozen=True)
class Adapters:
    """Each LoRA and each embedding once. Light to compare by its keys, which hold no weights."""

    loras: tuple[WeightedLora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()

    def of(self, network: str) -> list[Weighted]:
        """What changes a network, by diffusers' name of it, and how much."""
        weighted = (
            (each.lora.key, each.lora.networks.get(network, {}), each.weight(network)) for each in self.loras
        )
        return [(key, layers, weight) for key, layers, weight in weighted if layers and weight]

    @cached_property
    def for_unet(self) -> list[Weighted]:
        return self.of(UNET)

    @cached_property
    def unet_key(self) -> Key:
        """Images can share a pass through the network only where this is equal."""
        return tuple((key, weight) for key, _, weight in self.for_unet)

    @cached_property
    def text_key(self) -> Key:
        """The same text becomes the same embedding only where this is equal."""
        return tuple(
            (each.lora.key, each.text_encoder)
            for each in self.loras
            if each.text_encoder and any(each.lora.networks.keys() - {UNET})
        )

    def hashes(self) -> dict[str, str]:
        """For the infotext, under A1111's keys."""
        loras = [(each.lora.name, each.lora.hash) for each in self.loras]
        words = [(each.name, each.hash) for each in self.embeddings]
        return {
            key: ", ".join(f"{name}: {hash_}" for name, hash_ in pairs)
            for key, pairs in (("Lora hashes", loras), ("TI hashes", words))
            if pairs
        }
