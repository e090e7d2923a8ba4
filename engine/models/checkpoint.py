"""A single-file checkpoint: a `.safetensors` that holds a whole Stable Diffusion. Only its header is read; no torch."""

from dataclasses import dataclass
from pathlib import Path

from engine.models.card import Card, read_card
from engine.models.configuration import Config, Prediction, configuration, prediction
from engine.models.detection import Found, check_drawable, detect
from engine.models.header import Header, read_header
from engine.models.layout import Layout
from engine.models.text_parts import text_parts

SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """`config` describes its networks. `predicts` is what they predict and `told_by` who says so.

    `told_by` is "card", "file" or "assumed": see `engine/models/configuration.py`.
    """

    path: Path
    header: Header
    found: Found
    card: Card
    config: Config
    predicts: Prediction
    told_by: str

    @property
    def layout(self) -> Layout:
        """What a folder of the same networks would say that it is."""
        return Layout(
            is_sdxl=self.found.family == "sdxl",
            text_encoders=tuple(part.name for part in text_parts(self.header, self.found)),
            zeroes_empty=not self.found.is_refiner,
            is_refiner=self.found.is_refiner,
        )

    @property
    def told(self) -> str:
        """What it predicts, for a table."""
        return {"v_prediction": "v", "epsilon": "noise"}[self.predicts] + (
            " (assumed)"
            if self.told_by == "assumed" and self.found.family == "sd2" and not self.found.enlarges
            else ""
        )


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises NotAModel, or rather one of its kinds, where the engine cannot draw with this file."""
    header = read_header(path)
    found = detect(header)
    check_drawable(found)
    card = read_card(path)
    predicts, told_by = prediction(header, found, path, card.prediction_type)
    return Checkpoint(
        path=path,
        header=header,
        found=found,
        card=card,
        config=configuration(header, found, predicts),
        predicts=predicts,
        told_by=told_by,
    )
