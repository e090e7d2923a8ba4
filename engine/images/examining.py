"""Everything that a picture's file says about where it comes from, and whether that can be relied on."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.images import watermark, xmp
from engine.images.reading import read_picture
from engine.images.recipe import Recipe
from engine.images.recognising import recipe_of
from engine.images.signature import Signature, State, read_signature
from engine.images.signing_key import SigningKey
from engine.images.watermark import MIN_PIXELS, FoundMark, Mark

MAX_SHOWN_CHARS = 2000
_NAMES = {"WEBP": "WebP"}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found in one file; width and height in pixels."""

    format: str
    width: int
    height: int
    recipe: Recipe | None
    watermarks: Sequence[FoundMark]
    source_type: str
    signature: Signature | None

    @property
    def reliable(self) -> bool:
        """False where a signature says that the file is not what was signed."""
        return self.signature is None or self.signature.state in {State.OURS, State.VALID}


def examine(data: bytes, *, marks: Sequence[str], key: SigningKey | None) -> Findings:
    """Look at a file's bytes for `marks` and the historic ones, and our `key`'s signature. Raises Unreadable."""
    picture = read_picture(data)
    height, width, _ = picture.pixels.shape
    wanted = [Mark(text) for text in dict.fromkeys(marks) if text]
    return Findings(
        format=picture.format,
        width=width,
        height=height,
        recipe=recipe_of(picture),
        watermarks=watermark.find(picture.pixels, [*wanted, *watermark.HISTORIC]),
        source_type=xmp.source_type(picture.xmp),
        signature=read_signature(data, picture.media_type, key),
    )


def sentences(found: Findings) -> list[str]:
    """The findings for a person, one sentence a line."""
    return [
        f"A {_NAMES.get(found.format, found.format)} of {found.width} × {found.height} pixels.",
        *_recipe(found.recipe),
        *_watermarks(found),
        _source(found.source_type),
        _signature(found.signature),
    ]


def _recipe(recipe: Recipe | None) -> list[str]:
    if recipe is None:
        return ["Recipe: none. The file does not say how it was made."]
    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings.items() if key != "Version")
    lines = [
        f"Recipe: it says that {_shown(recipe.made_with)} made it.",
        f"Prompt: {_shown(recipe.prompt)}",
        f"Negative prompt: {_shown(recipe.negative_prompt)}" if recipe.negative_prompt else "",
        f"Settings: {_shown(settings)}." if settings else "",
    ]
    return [line for line in lines if line]


def _watermarks(found: Findings) -> list[str]:
    if found.watermarks:
        return [
            f"Watermark: “{mark.text}” ({mark.method}; {mark.right} of {mark.bits} bits)."
            for mark in found.watermarks
        ]
    if found.width * found.height < MIN_PIXELS:
        return [
            f"Watermark: none. It needs 256 × 256 pixels; the picture has {found.width} × {found.height}."
        ]
    return ["Watermark: none that is known here."]


def _source(source_type: str) -> str:
    if source_type == "trainedAlgorithmicMedia":
        return "Source: it says that an algorithm made it (trainedAlgorithmicMedia)."
    return f"Source: it says “{_shown(source_type)}”." if source_type else "Source: the file does not say."


def _signature(signature: Signature | None) -> str:
    if signature is None:
        return "Signature: none. Anybody may have changed the file."
    made_with = _shown(signature.made_with) or "an unnamed program"
    match signature.state:
        case State.OURS:
            return f"Signature: valid. This Darkroom signed it ({made_with}), and nothing was changed since."
        case State.VALID:
            by = _shown(signature.signer) or "somebody without a name"
            return (
                f"Signature: valid. Nothing was changed since {by} signed it ({made_with});"
                " whether that name is true is not known here."
            )
        case State.CHANGED:
            return "Signature: broken. The picture was changed after it was signed."
        case State.BROKEN:
            return "Signature: broken. It is damaged or does not hold."


def _shown(text: str) -> str:
    """A stranger's text in a terminal: no control characters, no end, and no line that looks like one of ours."""
    clean = "".join(c if c.isprintable() or c == "\n" else "�" for c in text[:MAX_SHOWN_CHARS])
    return clean.replace("\n", "\n    ") + ("…" if len(text) > MAX_SHOWN_CHARS else "")
