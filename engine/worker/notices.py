"""What a person is told beside their pictures."""

from engine.models.loading import StableDiffusion
from engine.prompts.limits import CHUNK_TOKENS, MAX_CHUNKS
from engine.worker.flight import ImageInFlight


def notices_of(model: StableDiffusion, images: list[ImageInFlight]) -> tuple[str, ...]:
    """What of the prompts was not read, and which words a small model does not know, each said once."""
    said = [
        f"The {field.replace('_', ' ')} has {reading.tokens} tokens, more than the {MAX_CHUNKS} chunks of"
        f" {CHUNK_TOKENS} that are read. Not used: “{reading.cut}”"
        for image in images
        for field, reading in image.conditioning.cuts(image.steps)
    ]
    if (vocabulary := model.card.vocabulary) is not None:
        hints = (vocabulary.hint(image.conditioning.prompt) for image in images)
        said += [hint for hint in hints if hint]
    return tuple(dict.fromkeys(said))
