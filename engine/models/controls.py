"""The networks by which pictures steer: what the controls folder holds, by name. Headers only, no torch.

A control is a subfolder in diffusers' layout (ControlNetModel, T2IAdapter), or a `.safetensors` file: a ControlNet in
its original layout, or an IP-Adapter, which needs the folder `image_encoder` beside it. Blocking: call from a thread.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import Refusal
from engine.models.control_file import controlnet_config, original_prefix
from engine.models.detection import Kind, detect
from engine.models.fault import NotAModel, WrongKind
from engine.models.header import Header, read_header
from engine.models.item import Item
from engine.models.json_file import read_json
from engine.models.place import check_place, has
from engine.wire import ControlInfo, ControlKind

log = logging.getLogger(__name__)

SUFFIX = ".safetensors"
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._ -]{0,127}"
IMAGE_ENCODER = "image_encoder"  # as in the repositories of IP-Adapters: OpenCLIP ViT-H for SD 1.5
ENCODER_WEIGHTS = f"model{SUFFIX}"
KINDS = {  # in words that follow "it is"
    ControlKind.CONTROLNET: "a ControlNet",
    ControlKind.T2I_ADAPTER: "a T2I-Adapter",
    ControlKind.IP_ADAPTER: "an IP-Adapter",
}
FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl"}  # by the width of the text that the network attends to
ADAPTERS = {  # T2I-Adapters attend to no text: by the widths of the network's blocks, and the adapter's type
    ("full_adapter", 320): "sd1",
    ("light_adapter", 320): "sd1",
    ("full_adapter_xl", 320): "sdxl",
}
WEIGHTS = "diffusion_pytorch_model"
VARIANTS = ("", "fp16")  # preferred first
FACE_ID = ("image_proj.proj.0.weight", "image_proj.proj.3.weight")  # the first, without the second


@dataclass(frozen=True, kw_only=True)
class ControlPlace:
    """A control that can be loaded from `place`. `config` is a file's; a folder has its own, and a `variant`."""

    info: ControlInfo
    place: Path
    variant: str = ""
    config: dict[str, Any] | None = None

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that are read where it is used."""
        if self.place.is_dir():
            return (weights_file(self.place, self.variant),)
        if self.info.kind is ControlKind.IP_ADAPTER:
            return self.place, self.place.with_name(IMAGE_ENCODER) / ENCODER_WEIGHTS
        return (self.place,)


def weights_file(folder: Path, variant: str) -> Path:
    """Where a folder in diffusers' layout has its weights, of a variant "" or "fp16"."""
    return folder / (".".join(filter(None, (WEIGHTS, variant))) + SUFFIX)


class ControlFolder:
    """The controls under `root`, looked up anew at each call: one may be added while the engine runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._told: set[tuple[str, str]] = set()

    def infos(self) -> tuple[ControlInfo, ...]:
        """What can steer, by name; the log says once what cannot."""
        return tuple(place.info for _, place in sorted(self._found().items()))

    def items(self) -> Iterator[Item]:
        """All that may be meant as one; image encoders are not."""
        for name, place, found in self._looked():
            if isinstance(found, NotAModel):
                yield Item(name=name, kind="a control", place=place, fault=found)
            else:
                kind, family = KINDS[found.info.kind], found.info.family
                yield Item(name=name, kind=kind, place=place, family=family, weights=found.weights)

    def lookup(self, name: str) -> ControlPlace:
        """Raises Refusal unknown_control, also for whatever looks like a path."""
        found = self._found()
        if name not in found:
            raise Refusal("unknown_control", f"There is no control called '{name}'.", field="controls")
        return found[name]

    def _found(self) -> dict[str, ControlPlace]:
        found: dict[str, ControlPlace] = {}
        for name, _, place in self._looked():
            if isinstance(place, NotAModel):
                self._tell(name, str(place))
            else:
                found[name] = place
        return found

    def _looked(self) -> Iterator[tuple[str, Path, ControlPlace | NotAModel]]:
        """Name and place of each, with what it is or what speaks against it."""
        taken: set[str] = set()
        for place in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            is_file = place.suffix == SUFFIX and not place.is_dir()
            if place.name.startswith(".") or not (is_file or has(place, "config.json")):
                continue
            name = place.stem if is_file else place.name
            if name in taken:
                yield place.name, place, WrongKind("another control has this name: rename one of them")
            elif name != IMAGE_ENCODER:
                taken.add(name)
                yield name, place, self._read(name, place)

    def _read(self, name: str, place: Path) -> ControlPlace | NotAModel:
        try:
            if not re.fullmatch(NAME_PATTERN, name):
                raise WrongKind("its name has characters other than letters, digits, space, '.', '_' and '-'")
            check_place(place, self.root)
            return _of_folder(name, place) if place.is_dir() else _of_file(name, place)
        except NotAModel as fault:
            return fault

    def _tell(self, name: str, reason: str) -> None:
        """Log once: the folder is looked at again and again."""
        if (name, reason) not in self._told:
            self._told.add((name, reason))
            log.warning("control %s is not offered: %s", name, reason)


def _of_folder(name: str, folder: Path) -> ControlPlace:
    config = read_json(folder, "config.json")
    match config.get("_class_name"):
        case "ControlNetModel":
            kind, family = ControlKind.CONTROLNET, _family(config.get("cross_attention_dim"))
        case "T2IAdapter":
            kind, family = ControlKind.T2I_ADAPTER, _adapter_family(config)
        case _:
            raise WrongKind("it is no ControlNetModel or T2IAdapter")
    variant = _variant(folder)
    return ControlPlace(info=ControlInfo(name=name, kind=kind, family=family), place=folder, variant=variant)


def _variant(folder: Path) -> str:
    """The variant of the weights that is loaded, "" or "fp16". Raises NotAModel where there are none, or damaged."""
    for variant in VARIANTS:
        file = weights_file(folder, variant)
        if file.is_file():
            read_header(file)
            return variant
    raise NotAModel("it has no weights in safetensors")


def _of_file(name: str, file: Path) -> ControlPlace:
    header = read_header(file)
    match detect(header).kind:
        case Kind.CONTROLNET:
            config = controlnet_config(header, original_prefix(header))
            family = _family(config["cross_attention_dim"])
            info = ControlInfo(name=name, kind=ControlKind.CONTROLNET, family=family)
            return ControlPlace(info=info, place=file, config=config)
        case Kind.IP_ADAPTER:
            info = ControlInfo(name=name, kind=ControlKind.IP_ADAPTER, family=_ip_family(header))
            _check_image_encoder(file.parent / IMAGE_ENCODER)
            return ControlPlace(info=info, place=file)
        case kind:
            raise WrongKind(f"it is {kind}, by which no picture steers")


def _ip_family(header: Header) -> str:
    if [name in header.shapes for name in FACE_ID] == [True, False]:
        raise WrongKind("it is an IP-Adapter of faces alone, which needs a face recogniser: others work")
    return _family(header.width("ip_adapter.1.to_k_ip.weight", 1))


def _check_image_encoder(folder: Path) -> None:
    if not (folder / "config.json").is_file() or not (folder / ENCODER_WEIGHTS).is_file():
        raise WrongKind(f"it needs its image encoder in the folder {IMAGE_ENCODER} beside it")
    read_header(folder / ENCODER_WEIGHTS)


def _family(width: object) -> str:
    """ "sd" where the width is unusual, as of models (`engine/models/model_info.py`)."""
    return FAMILIES.get(width, "sd") if isinstance(width, int) else "sd"


def _adapter_family(config: dict[str, Any]) -> str:
    channels = config.get("channels")
    first = channels[0] if isinstance(channels, list) and channels else 0
    known = (str(config.get("adapter_type")), first)
    return ADAPTERS.get(known, "sd") if isinstance(first, int) else "sd"
