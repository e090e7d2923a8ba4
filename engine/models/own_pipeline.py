"""Folders that diffusers' own pipelines draw from, since the step loop does not know their network. No torch.

Steps, guidance and side are the defaults of the pipelines in diffusers 0.42, or of their model cards; what a class
can do is what diffusers has a sibling for (`AutoPipelineForImage2Image`, `AutoPipelineForInpainting`).
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.models.card import Card
from engine.models.fault import Corrupt, NotAModel, Unsafe
from engine.models.header import read_header
from engine.models.json_file import read_json
from engine.wire import Defaults, ModelInfo, Sampler, Task

WORDS = (Task.TXT2IMG,)
REDRAWS = (Task.TXT2IMG, Task.IMG2IMG)
ALL = (Task.TXT2IMG, Task.IMG2IMG, Task.INPAINT, Task.OUTPAINT)
LIBRARIES = ("diffusers", "transformers")
ABSENT = (None, None)  # how the index writes that a part was left out
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
NETWORKS = ("transformer", "unet", "prior")  # the part whose digest names the model, the first that is there
CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json")
CLASS = r"[A-Z][A-Za-z0-9]*Pipeline"


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a person gets who says nothing. Sides are pixels, and multiples of `multiple`."""

    name: str
    steps: int = 28
    guidance: float = 4.5
    side: int = 1024
    multiple: int = 16
    tasks: tuple[Task, ...] = WORDS


FAMILIES = {
    "AuraFlowPipeline": Family(name="auraflow", steps=50, guidance=3.5),
    "ChromaPipeline": Family(name="chroma", steps=35, guidance=5.0),
    "CogView3PlusPipeline": Family(name="cogview3", steps=50, guidance=5.0),
    "CogView4Pipeline": Family(name="cogview4", steps=50, guidance=5.0, multiple=32),
    "Flux2KleinPipeline": Family(name="flux2", steps=4, guidance=1.0),
    "Flux2Pipeline": Family(name="flux2", steps=50, guidance=4.0),
    "FluxPipeline": Family(name="flux", steps=28, guidance=3.5, tasks=ALL),
    "HunyuanDiTPipeline": Family(name="hunyuandit", steps=50, guidance=5.0),
    "Kandinsky3Pipeline": Family(name="kandinsky3", steps=25, guidance=3.0, multiple=64, tasks=REDRAWS),
    "KolorsPipeline": Family(name="kolors", steps=50, guidance=5.0, multiple=8, tasks=REDRAWS),
    "LatentConsistencyModelPipeline": Family(
        name="lcm", steps=4, guidance=8.5, side=512, multiple=8, tasks=REDRAWS
    ),
    "Lumina2Pipeline": Family(name="lumina2", steps=30, guidance=4.0),
    "LuminaPipeline": Family(name="lumina", steps=30, guidance=4.0),
    "OvisImagePipeline": Family(name="ovis", steps=50, guidance=5.0),
    "PRXPipeline": Family(name="prx", steps=28, guidance=4.0, side=512, multiple=32),
    "PixArtAlphaPipeline": Family(name="pixart", steps=20, guidance=4.5),
    "PixArtSigmaPipeline": Family(name="pixart", steps=20, guidance=4.5),
    "QwenImagePipeline": Family(name="qwen-image", steps=50, guidance=4.0, tasks=ALL),
    "SanaPipeline": Family(name="sana", steps=20, guidance=4.5, multiple=32),
    "SanaSprintPipeline": Family(name="sana", steps=2, guidance=4.5, multiple=32),
    "StableDiffusion3Pipeline": Family(name="sd3", steps=28, guidance=7.0, tasks=ALL),
    "ZImagePipeline": Family(name="z-image", steps=50, guidance=5.0, tasks=ALL),
}
SAMPLERS = {  # the name in A1111's menu of what a pipeline brings along
    "DDIMScheduler": Sampler.DDIM,
    "DPMSolverMultistepScheduler": Sampler.DPMPP_2M,
    "EulerAncestralDiscreteScheduler": Sampler.EULER_A,
    "EulerDiscreteScheduler": Sampler.EULER,
    "FlowMatchEulerDiscreteScheduler": Sampler.EULER,
    "LCMScheduler": Sampler.LCM,
    "PNDMScheduler": Sampler.PLMS,
    "UniPCMultistepScheduler": Sampler.UNIPC,
}


@dataclass(frozen=True, kw_only=True)
class OwnPipeline:
    """`kind` is diffusers' class, `parts` the folders that it needs, `scheduler` the class of that part."""

    kind: str
    parts: tuple[str, ...]
    scheduler: str

    @property
    def family(self) -> Family:
        """For a class that is not in the table what is usual, and drawing from words alone."""
        return FAMILIES.get(self.kind) or Family(name=self.kind.removesuffix("Pipeline").lower())

    @property
    def sampler(self) -> Sampler:
        """Its scheduler's name in our menu, or the first of the menu where it has none there."""
        return SAMPLERS.get(self.scheduler, Sampler.EULER)

    @property
    def defaults(self) -> dict[str, Any]:
        """The fields of `wire.Defaults` that its family and scheduler decide, but for the size."""
        family = self.family
        return {"steps": family.steps, "guidance_scale": family.guidance, "sampler": self.sampler}

    def info(self, name: str, card: Card, defaults: Defaults) -> ModelInfo:
        """What a person may choose of it."""
        return ModelInfo(
            name=name,
            title=card.title or name,
            family=self.family.name,
            tasks=self.family.tasks,
            defaults=defaults,
            side_multiple=self.family.multiple,
            own_pipeline=True,
            notice=card.notice,
        )


def is_own_pipeline(place: Path) -> bool:
    """Whether a place is a folder that diffusers' pipeline draws from. Raises Corrupt.

    The UNets of Stable Diffusion 1.x, 2.x and XL are drawn by the step loop, or not at all.
    """
    if not place.is_dir():
        return False
    kind = read_json(place, "model_index.json").get("_class_name")
    return isinstance(kind, list) or bool(
        isinstance(kind, str)
        and re.fullmatch(CLASS, kind)
        and (not kind.startswith("StableDiffusion") or kind.startswith("StableDiffusion3"))
    )


def read_own_pipeline(folder: Path) -> OwnPipeline:
    """What the folder is, if every part is there and nothing in it would run code.

    Raises Unsafe, Corrupt, Truncated or WrongKind, naming the part.
    """
    index = read_json(folder, "model_index.json")
    kind = index.get("_class_name")
    if not isinstance(kind, str):
        raise Unsafe("its pipeline is code of its own, which Darkroom does not run")
    parts = {name: _part(name, entry) for name, entry in index.items() if isinstance(entry, list)}
    needed = {name: part for name, part in parts.items() if part is not None}
    for name, (library, class_) in needed.items():
        _check_code(folder, name, library, class_)
    for name in needed:
        _check_weights(folder / name, name)
    return OwnPipeline(kind=kind, parts=tuple(needed), scheduler=needed.get("scheduler", ("", ""))[1])


def _part(name: str, entry: list[Any]) -> tuple[str, str] | None:
    if tuple(entry) == ABSENT:
        return None
    if len(entry) != 2 or not all(isinstance(word, str) and word.isidentifier() for word in entry):
        raise Unsafe(f"its {name} is of no library that Darkroom loads from")
    return entry[0], entry[1]


def _check_code(folder: Path, name: str, library: str, class_: str) -> None:
    """Raises where a part would be loaded by anything but diffusers and transformers themselves.

    diffusers runs PART/LIBRARY.py; transformers asks at the terminal before it runs what an `auto_map` names.
    """
    if (folder / name / f"{library}.py").exists() or not (library in LIBRARIES or _is_module(library)):
        raise Unsafe(f"its {name} is code of its own ({library}), which Darkroom does not run")
    if not (folder / name).is_dir():
        raise Corrupt(f"it has no folder {name}")
    configs = [f"{name}/{file}" for file in CONFIGS if (folder / name / file).exists()]
    if class_.startswith("Auto") and any("auto_map" in read_json(folder, config) for config in configs):
        raise Unsafe(f"its {name} brings code of its own (auto_map), which Darkroom does not run")


def _is_module(library: str) -> bool:
    """Whether it is one of diffusers' own folders of pipelines, which carry a few parts."""
    spec = find_spec("diffusers")
    roots = spec.submodule_search_locations if spec else None
    return any((Path(root) / "pipelines" / library).is_dir() for root in roots or ())


def _check_weights(part: Path, name: str) -> None:
    files = sorted(part.glob("*.safetensors"))
    if not files and any(path.suffix in PICKLED for path in part.iterdir()):
        raise Unsafe(f"its {name} has its weights in a pickle; get them in safetensors")
    for path in files:
        try:
            read_header(path)
        except NotAModel as fault:
            raise type(fault)(f"its {name} cannot be used: {fault}") from None


def weights(folder: Path, pipeline: OwnPipeline) -> list[Path]:
    """All files of weights, of all parts."""
    return [path for part in pipeline.parts for path in sorted((folder / part).glob("*.safetensors"))]


def variant(folder: Path, pipeline: OwnPipeline) -> str | None:
    """ "fp16" where a part has its weights in no other precision."""
    for part in pipeline.parts:
        names = [path.name for path in (folder / part).glob("*.safetensors")]
        if names and all(".fp16" in name for name in names):
            return "fp16"
    return None
