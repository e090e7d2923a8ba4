"""What looks at pictures beside the models that draw them: where CLIPs, safety checkers and phrase lists are. No torch.

A CLIP is a folder of open_clip's, `open_clip_config.json` with weights in safetensors: a model's own is its folder
`clip`; the operator's are the subfolders of one folder. A safety checker is diffusers' `safety_checker` with its
`feature_extractor`, in a model's folder or the operator's. Blocking: call from a thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.models.fault import NotAModel
from engine.models.json_file import read_json
from engine.wire import ModelInfo, Task

CONFIG = "open_clip_config.json"
# open_clip prefers these two to every other name, and so to pickles.
CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
CHECKER, EXTRACTOR = "safety_checker", "feature_extractor"
CHECKER_WEIGHTS = ("model.safetensors", "model.fp16.safetensors")
UNSAFE, SAFE = "unsafe.txt", "safe.txt"
PHRASES = "phrases"
PHRASES_FOLDER = Path(__file__).parents[1] / PHRASES  # the lists that ship


@dataclass(frozen=True, kw_only=True)
class Companions:
    """`clip` holds the operator's CLIPs, each a folder, and his `phrases`; `safety` is his safety checker's."""

    clip: Path
    safety: Path

    def complete(self, info: ModelInfo, model: Path) -> ModelInfo:
        """What a person may choose of a model, with what its companions can do."""
        described = () if self.describer(model) is None else (Task.DESCRIBE,)
        ranked, checked = self.ranker(model) is not None, self.has_checker(model)
        return info.model_copy(update={"tasks": info.tasks + described, "ranked": ranked, "checked": checked})

    def ranker(self, model: Path) -> Path | None:
        """The CLIP that compares pictures with words: the model's own, or else the operator's first by name."""
        own = model / "clip"
        return own if _is_clip(own) else next(self._clips(), None)

    def describer(self, model: Path) -> Path | None:
        """The CLIP that describes pictures: the operator's first that writes, or else the one that ranks."""
        return next(filter(writes, self._clips()), None) or self.ranker(model)

    def concept_checker(self, model: Path) -> Path | None:
        """The folder with `safety_checker` and `feature_extractor`: the operator's, or else the model's own."""
        return next((folder for folder in (self.safety, model) if _has_concepts(folder)), None)

    def word_lists(self) -> Path | None:
        """The operator's folder, where it lists what is not to be seen."""
        return self.safety if (self.safety / UNSAFE).is_file() else None

    def has_checker(self, model: Path) -> bool:
        """Whether there is anybody to check what a model draws."""
        words = self.word_lists() is not None and self.ranker(model) is not None
        return words or self.concept_checker(model) is not None

    def phrases(self, model: Path) -> dict[str, Path]:
        """The phrase lists by name: the model's own or else those that ship, and the operator's over them."""
        first = next(folder for folder in (model / PHRASES, PHRASES_FOLDER) if folder.is_dir())
        return _lists(first) | _lists(self.clip / PHRASES)

    def _clips(self) -> Iterator[Path]:
        return (folder for folder in sorted(self.clip.glob("*")) if _is_clip(folder))


def writes(clip: Path) -> bool:
    """Whether a CLIP writes captions by itself, as open_clip's CoCa does."""
    try:
        return "multimodal_cfg" in read_json(clip, CONFIG)["model_cfg"]
    except (NotAModel, KeyError, TypeError):
        return False


def _is_clip(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in CLIP_WEIGHTS)


def _has_concepts(folder: Path) -> bool:
    weights = any((folder / CHECKER / name).is_file() for name in CHECKER_WEIGHTS)
    return weights and (folder / EXTRACTOR / "preprocessor_config.json").is_file()


def _lists(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.txt"))}
