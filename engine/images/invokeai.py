"""InvokeAI's metadata (version 3 and later): one JSON object in the PNG text `invokeai_metadata`."""

from engine.images.recipe import Recipe, json_object, settings, text

KEYWORD = "invokeai_metadata"
_NAMES = {
    "steps": "Steps",
    "scheduler": "Sampler",
    "cfg_scale": "CFG scale",
    "seed": "Seed",
    "strength": "Denoising strength",
}


def parse(metadata: str) -> Recipe | None:
    """What the metadata says; None where it is not InvokeAI's."""
    values = json_object(metadata)
    if "positive_prompt" not in values:
        return None
    known = settings(values, _NAMES)
    if isinstance(values.get("width"), int) and isinstance(values.get("height"), int):
        known["Size"] = f"{values['width']}x{values['height']}"
    if isinstance(model := values.get("model"), dict):
        # `model_name` in version 3, `name` since version 4
        known |= settings(model, {"model_name": "Model", "name": "Model", "hash": "Model hash"})
    return Recipe(
        made_with=f"InvokeAI {text(values.get('app_version'))}".strip(),
        prompt=text(values["positive_prompt"]),
        negative_prompt=text(values.get("negative_prompt")),
        settings=known,
    )
