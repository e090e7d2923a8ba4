"""What a person says of the part that is drawn anew becomes fields of the request, or a sentence."""

import pytest

from bot.errors import Refused
from bot.redraw import Redraw
from bot.requests import Options, build
from bot.sequels import variation
from engine.wire import Fill, GenerationRequest, Margins, Task
from tests.bot.samples import capabilities, model

EVERY = tuple(Task)
OFFERED = capabilities(model(tasks=EVERY), model("inpainting", tasks=(Task.INPAINT, Task.OUTPAINT)))


def made(redraw: Redraw, image: tuple[int, int] | None = (512, 384), **options: object) -> GenerationRequest:
    chosen = Options(prompt="a hamster", image=image, redraw=redraw, **options)  # type: ignore[arg-type]
    return build(chosen, OFFERED, owner="", random_seed=1)


def test_a_mask_makes_it_inpaint_at_the_pictures_own_size() -> None:
    request = made(Redraw(mask=True, mask_blur=4, fill="Noise", padding=8))
    assert (request.task, request.width, request.height) == (Task.INPAINT, 512, 384)
    assert (request.mask_blur, request.fill, request.padding) == (4, Fill.NOISE, 8)
    assert request.strength == 0.75


@pytest.mark.parametrize(
    ("image", "redraw", "size"),
    [
        (
            (511, 511),
            Redraw(mask=True),
            (512, 512),
        ),  # no multiple of 8: the shape, as large as the model draws
        ((2000, 1000), Redraw(mask=True), (728, 360)),
        ((2000, 1000), Redraw(mask=True, only_masked=True), (512, 512)),
        ((512, 512), Redraw(outpaint="left=64"), (576, 512)),
    ],
)
def test_the_size_that_is_drawn_follows_the_picture(
    image: tuple[int, int], redraw: Redraw, size: tuple[int, int]
) -> None:
    request = made(redraw, image)
    assert (request.width, request.height) == size


def test_outpaint_names_sides_and_pixels() -> None:
    request = made(Redraw(outpaint="left=64, Up=32"))
    assert (request.task, request.extend) == (Task.OUTPAINT, Margins(left=64, up=32))
    assert request.strength == 0.9


def test_an_inpainting_model_is_taken_for_what_it_can_do_and_for_nothing_else() -> None:
    assert made(Redraw(mask=True), model="inpainting").model == "inpainting"
    with pytest.raises(Refused, match="The model inpainting cannot start from an image"):
        made(Redraw(), model="inpainting")


def test_a_variation_has_a_seed_and_a_strength() -> None:
    request = made(Redraw(), None, variation_seed=7, variation_strength=0.2)
    assert (request.variation_seed, request.variation_strength) == (7, 0.2)
    with pytest.raises(Refused, match="variation_strength needs a variation_seed"):
        made(Redraw(), None, variation_strength=0.2)


def test_the_variations_button_of_an_inpainted_picture_asks_for_no_mask() -> None:
    inpainted = made(Redraw(mask=True, mask_blur=4, only_masked=True, fill="fill"))
    redrawn = variation(inpainted, OFFERED, owner="", seed=2)
    assert redrawn == made(Redraw(), size="512x512", strength=0.6, seed=2)


@pytest.mark.parametrize(
    ("redraw", "image", "sentence"),
    [
        (Redraw(mask=True), None, "mask needs an image to start from."),
        (Redraw(outpaint="left=8"), None, "outpaint needs an image to start from."),
        (Redraw(mask=True, outpaint="left=8"), (64, 64), "mask and outpaint do not go together"),
        (Redraw(mask_blur=4), (64, 64), "mask_blur needs a mask."),
        (Redraw(mask_blur=4, outpaint="left=8"), (64, 64), "mask_blur needs a mask."),
        (Redraw(only_masked=True), (64, 64), "fill, only_masked and padding need a mask, or outpaint."),
        (Redraw(mask=True, mask_blur=65), (64, 64), "mask_blur must be between 0 and 64; it was 65."),
        (Redraw(mask=True, padding=-1), (64, 64), "padding must be between 0 and 256; it was -1."),
        (Redraw(mask=True, fill="paint"), (64, 64), "fill must be one of original, fill, noise, nothing"),
        (Redraw(outpaint=""), (64, 64), "outpaint must name a side and how far, such as left=64"),
        (Redraw(outpaint="left=0"), (64, 64), "outpaint must name a side and how far"),
        (Redraw(outpaint="left=8,left=8"), (64, 64), "it was 'left=8'."),
        (Redraw(outpaint="north=8"), (64, 64), "it was 'north=8'."),
        (Redraw(outpaint="left=60"), (64, 64), "left must be a multiple of 8, such as 64; it was 60."),
        (Redraw(outpaint="left=4096"), (64, 64), "left must be between 0 and 2048; it was 4096."),
    ],
)
def test_what_does_not_go_together_is_refused(
    redraw: Redraw, image: tuple[int, int] | None, sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        made(redraw, image)
    assert sentence in str(refused.value)
