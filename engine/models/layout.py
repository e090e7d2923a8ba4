"""What a folder in diffusers' layout says that it is, in its `model_index.json`, and its weights. No torch."""

import re
from dataclasses import dataclass
from pathlib import Path

from engine.models.fault import NotAModel
from engine.models.json_file import read_json

SD_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionInpaintPipeline")
SDXL_PIPELINES = (
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",  # the refiner's
    "StableDiffusionXLInpaintPipeline",
)
SEES_DEPTH, ENLARGES, SEES_MASK = 5, 7, 9  # channels of networks that see more than four of latents
SHOWN_PIPELINES = {  # to which something is shown, and always
    "StableDiffusionDepth2ImgPipeline": SEES_DEPTH,
    "StableDiffusionUpscalePipeline": ENLARGES,
}
DEPTH_ESTIMATOR, LOW_RES_SCHEDULER = "depth_estimator", "low_res_scheduler"  # folders
ABSENT = [None, None]  # how the index writes that a part was left out
WEIGHTS = {  # by part of the pipeline, as diffusers and transformers name their files
    "text_encoder": "model",
    "text_encoder_2": "model",
    DEPTH_ESTIMATOR: "model",
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
VARIANTS = ("", ".fp16")  # preferred first; ".bin" files are pickles and never read


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`text_encoders` are folders, in the order in which SDXL joins what they say; a refiner has the second alone.

    `zeroes_empty` and `is_refiner` are diffusers' `force_zeros_for_empty_prompt` and `requires_aesthetics_score`.
    The network takes one of `channels`. A depth model that does not estimate depth has to be given it.
    """

    is_sdxl: bool = False
    text_encoders: tuple[str, ...] = ("text_encoder",)
    zeroes_empty: bool = False
    is_refiner: bool = False
    channels: tuple[int, ...] = (4, SEES_MASK)
    estimates_depth: bool = False

    @property
    def enlarges(self) -> bool:
        return self.channels == (ENLARGES,)

    @property
    def tokenizers(self) -> tuple[str, ...]:
        return tuple(name.replace("text_encoder", "tokenizer") for name in self.text_encoders)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders with weights."""
        return (*self.text_encoders, "unet", "vae", *([DEPTH_ESTIMATOR] if self.estimates_depth else []))


def read_layout(folder: Path) -> Layout:
    """Raises NotAModel where the folder is no pipeline that the step loop draws with."""
    index = read_json(folder, "model_index.json")
    kind = index.get("_class_name")
    if kind in SD_PIPELINES:
        return Layout()
    if isinstance(kind, str) and (channels := SHOWN_PIPELINES.get(kind)) is not None:
        estimates_depth = channels == SEES_DEPTH and (folder / DEPTH_ESTIMATOR).is_dir()
        return Layout(channels=(channels,), estimates_depth=estimates_depth)
    if kind not in SDXL_PIPELINES:
        raise NotAModel(f"it is no {' or '.join((*SD_PIPELINES, *SDXL_PIPELINES, *SHOWN_PIPELINES))}")
    has_first = index.get("text_encoder", ABSENT) != ABSENT
    return Layout(
        is_sdxl=True,
        text_encoders=("text_encoder", "text_encoder_2") if has_first else ("text_encoder_2",),
        zeroes_empty=index.get("force_zeros_for_empty_prompt") is not False,
        is_refiner=index.get("requires_aesthetics_score") is True,
    )


def weight_files(folder: Path, part: str) -> tuple[str, list[Path]]:
    """The variant ("" or "fp16") of a part's weights that is loaded, and its files: one, or several shards.

    Raises NotAModel where there are no safetensors.
    """
    for variant in VARIANTS:
        pattern = re.compile(rf"{WEIGHTS[part]}{re.escape(variant)}(-\d+-of-\d+)?\.safetensors")
        files = sorted(path for path in (folder / part).glob("*.safetensors") if pattern.fullmatch(path.name))
        if files:
            return variant.removeprefix("."), files
    raise NotAModel(f"its {part} has no weights in safetensors")
