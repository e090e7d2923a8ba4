"""Whose metadata is it? The first that can make sense of a picture's texts tells its recipe."""

from collections.abc import Mapping

from engine.images import comfyui, infotext, invokeai, novelai, xmp
from engine.images.reading import Picture
from engine.images.recipe import Recipe
from engine.images.record import CHUNK, Record


def record_of(picture: Picture) -> Record | None:
    """Our own record, from its PNG chunk or the XMP packet."""
    return Record.from_json(picture.texts.get(CHUNK) or xmp.record(picture.xmp))


def recipe_of(picture: Picture) -> Recipe | None:
    """How the picture was made: Darkroom, A1111 and its like, InvokeAI, NovelAI, ComfyUI; None: it does not say."""
    if (record := record_of(picture)) is not None:
        return infotext.parse(record.infotext())
    found = _from_texts(picture.texts)
    if found is None and picture.alpha is not None:
        hidden = novelai.hidden_texts(picture.alpha)
        found = novelai.parse(hidden) or infotext.parse(hidden.get("parameters", ""))
    return found


def _from_texts(texts: Mapping[str, str]) -> Recipe | None:
    return (
        infotext.parse(texts.get("parameters", ""))
        or invokeai.parse(texts.get(invokeai.KEYWORD, ""))
        or novelai.parse(texts)
        or comfyui.parse(texts.get("prompt", ""))
    )
