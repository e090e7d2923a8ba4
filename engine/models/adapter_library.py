"""The adapters that pictures ask for by name, read from their folders and kept for the next picture."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

from engine.errors import Refusal
from engine.models import lora_layers
from engine.models.adapter_folder import AdapterFolder, AdapterFolders
from engine.models.adapters import Adapters, WeightedLora
from engine.models.embedding import Embedding, read_embedding
from engine.models.fault import Missing, NotAModel, WrongKind
from engine.models.loading import StableDiffusion
from engine.models.lora import UNET, LoraWeights, read_lora
from engine.models.vae import Vae, read_vae
from engine.prompts import inversion, loras
from engine.prompts.limits import MAX_LORAS
from engine.prompts.loras import Lora
from engine.prompts.recent import Recent
from engine.prompts.wildcards import Words

Item = TypeVar("Item")

KEPT_LORAS: Final = 4  # on the CPU: 10 to 300 MB each
KEPT_EMBEDDINGS: Final = 64  # a few KB each
KEPT_VAES: Final = 2  # on the device: 170 MB each in half precision


class AdapterLibrary:
    """Without `folders` there are no adapters."""

    def __init__(self, folders: AdapterFolders | None) -> None:
        lora, embedding, vae = (folders.loras, folders.embeddings, folders.vaes) if folders else [None] * 3
        self._loras: _Section[LoraWeights] = _Section("LoRA", lora, KEPT_LORAS)
        self._embeddings: _Section[Embedding] = _Section("embedding", embedding, KEPT_EMBEDDINGS)
        self._vaes: _Section[Vae] = _Section("VAE", vae, KEPT_VAES)

    def adapters(self, model: StableDiffusion, words: Words) -> Adapters:
        """What the two prompts of an image name, each once; weights of the same LoRA add up.

        Raises Refusal unknown_lora, lora_incompatible, embedding_incompatible, adapter_broken, and invalid_field
        where there are more than MAX_LORAS.
        """
        weighted: dict[str, WeightedLora] = {}
        embeddings: dict[str, Embedding] = {}
        for field, text in (("prompt", words.prompt), ("negative_prompt", words.negative_prompt)):
            rest, named = loras.take_out(text)
            if named:
                loras.check(text, known=self._loras.names(), field=field)
            for lora in named:
                weighted[lora.name] = self._added(model, weighted.get(lora.name), lora, field)
                _check_count(len(weighted), field)
            for name in inversion.named(rest, self._embeddings.names()):
                embeddings[name] = self._embeddings.get(model, name, field, partial(read_embedding, name))
        return Adapters(tuple(weighted.values()), tuple(embeddings.values()))

    @property
    def bytes(self) -> int:
        """What the autoencoders take on the device."""
        kept = [vae.network for vae in self._vaes.kept()]
        return sum(each.numel() * each.element_size() for network in kept for each in network.parameters())

    def vae(self, model: StableDiffusion, name: str) -> Vae:
        """Raises Refusal unknown_vae, vae_incompatible, adapter_broken."""
        place = model.device.place
        return self._vaes.get(model, name, "vae", lambda path: read_vae(name, path, model.vae, place))

    def _added(
        self, model: StableDiffusion, before: WeightedLora | None, lora: Lora, field: str
    ) -> WeightedLora:
        before = before or WeightedLora(self._lora(model, lora.name, field), 0, 0)
        text_encoder, unet = before.text_encoder + lora.text_encoder, before.unet + lora.unet
        return replace(before, text_encoder=text_encoder, unet=unet)

    def _lora(self, model: StableDiffusion, name: str, field: str) -> LoraWeights:
        def read(path: Path) -> LoraWeights:
            networks = {UNET: model.unet, **model.prompts.text_encoders}
            lora = read_lora(name, path, networks)
            fitted = {part: lora_layers.fitted(networks[part], it) for part, it in lora.networks.items()}
            return replace(lora, networks=fitted)

        return self._loras.get(model, name, field, read)


def _check_count(count: int, field: str) -> None:
    if count > MAX_LORAS:
        message = f"The prompts may name at most {MAX_LORAS} LoRAs; they named more."
        raise Refusal("invalid_field", message, field=field)


class _Section(Generic[Item]):
    """The adapters of one kind: `kept` of them are there without reading them again."""

    def __init__(self, title: str, folder: AdapterFolder | None, kept: int) -> None:
        self._title = title
        self._folder = folder
        self._kept: Recent[tuple[str, Path, int, int], Item] = Recent(kept)

    def names(self) -> list[str]:
        """Of all that is there, also of what turns out to be of no use."""
        return [item.name for item in self._folder.items()] if self._folder else []

    def kept(self) -> list[Item]:
        """Those that are there without reading them again."""
        return self._kept.values()

    def get(self, model: StableDiffusion, name: str, field: str, read: Callable[[Path], Item]) -> Item:
        """The adapter as `read` makes it for a model. Raises Refusal."""
        try:
            if self._folder is None:
                raise Missing("it is not there")
            path = self._folder.find(name)
            status = path.stat()
            return self._kept.get((model.name, path, status.st_size, status.st_mtime_ns), lambda: read(path))
        except FileNotFoundError:
            raise self._refusal(model, name, field, Missing("it is not there")) from None
        except NotAModel as fault:
            raise self._refusal(model, name, field, fault) from fault

    def _refusal(self, model: StableDiffusion, name: str, field: str, fault: NotAModel) -> Refusal:
        kind = self._title.lower()
        code = f"{kind}_incompatible" if isinstance(fault, WrongKind) else "adapter_broken"
        if isinstance(fault, Missing) and self._title != "embedding":  # its name would be a word like others
            return Refusal(f"unknown_{kind}", f"There is no {self._title} called '{name}'.", field=field)
        return Refusal(
            code, f"The {self._title} '{name}' cannot be used with {model.name}: {fault}.", field=field
        )
