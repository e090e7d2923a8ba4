"""A part of a picture drawn anew: what is drawn, and that the rest stays as it was, to the last bit."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.images.canvas import Canvas, extended, filled, masked_box
from engine.images.decoding import decode_mask
from engine.images.finishing import Finisher
from engine.wire import Fill, GenerationRequest, Margins, Sampler, Task


def ask(**changes: object) -> GenerationRequest:
    fields: dict[str, object] = {"task": Task.INPAINT, "model": "m", "prompt": "", "width": 64, "height": 64}
    fields |= {"steps": 4, "guidance_scale": 7.0, "sampler": Sampler.EULER, "seed": 1, "strength": 1.0}
    return GenerationRequest.model_validate(fields | changes)


def photo(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def mask_of(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return mask


def drawn(width: int = 64, height: int = 64) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), (1, 2, 3), np.uint8)


@pytest.mark.parametrize("changes", [{}, {"only_masked": True, "padding": 5}, {"width": 128}])
@pytest.mark.parametrize("size", [(64, 64), (101, 57)])
def test_what_is_not_masked_stays_bit_for_bit(size: tuple[int, int], changes: dict[str, object]) -> None:
    request = ask(**changes)
    picture, mask = photo(*size), mask_of(size, (10, 20, 30, 33))
    result = Canvas.of(request, picture, mask).finished(drawn(request.width, request.height))
    masked = np.asarray(mask) > 0
    assert result.shape == (size[1], size[0], 3)
    assert np.array_equal(result[~masked], np.asarray(picture)[~masked])
    assert (result[masked] == (1, 2, 3)).all()


@pytest.mark.parametrize("blur", [1, 4, 16])
def test_with_a_blur_what_is_three_times_as_far_from_the_mask_stays(blur: int) -> None:
    picture, mask = photo(256, 256), mask_of((256, 256), (110, 110, 140, 150))
    canvas = Canvas.of(ask(mask_blur=blur), picture, mask)
    result = canvas.finished(drawn(256, 256))
    far = np.ones((256, 256), bool)
    far[110 - 3 * blur : 150 + 3 * blur, 110 - 3 * blur : 140 + 3 * blur] = False
    assert np.array_equal(result[far], np.asarray(picture)[far])
    assert np.array_equal(result[canvas.kept], np.asarray(picture)[canvas.kept])
    assert not canvas.kept[109, 120], "the edge is soft"


def test_a_grey_mask_is_rounded_and_what_is_transparent_is_black() -> None:
    grey = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (8, 1)))
    strokes = Image.new("RGBA", (256, 8), (255, 255, 255, 0))
    strokes.paste((255, 255, 255, 255), (0, 0, 9, 8))
    for image, white in ((grey, 8 * 128), (strokes, 8 * 9)):
        file = io.BytesIO()
        image.save(file, "PNG")
        with Image.open(io.BytesIO(decode_mask(file.getvalue(), (256, 8)))) as mask:
            values = np.asarray(mask)
        assert set(np.unique(values)) == {0, 255}
        assert (values == 255).sum() == white


def test_outpaint_extends_to_every_side_and_keeps_the_picture() -> None:
    request = ask(task=Task.OUTPAINT, extend={"left": 8, "right": 16, "up": 24, "down": 32})
    picture = photo(50, 40)
    canvas = Canvas.of(request, picture, None)
    result = canvas.finished(drawn())
    assert result.shape == (24 + 40 + 32, 8 + 50 + 16, 3)
    assert np.array_equal(result[24:64, 8:58], np.asarray(picture))
    assert canvas.kept.sum() == 50 * 40
    assert (result[~canvas.kept] == (1, 2, 3)).all()


def test_the_margins_begin_in_the_colours_of_the_edge() -> None:
    picture = photo(16, 8)
    canvas, mask = extended(picture, Margins(right=8))
    assert (np.asarray(canvas)[:, 16:] == np.asarray(picture)[:, 15:]).all()
    assert mask.getbbox() == (16, 0, 24, 8)


def test_fill_takes_the_colours_around_the_mask_and_leaves_the_rest() -> None:
    picture = Image.new("RGB", (64, 64), (200, 30, 40))
    picture.paste((0, 0, 255), (20, 20, 44, 44))
    result = np.asarray(filled(picture, mask_of((64, 64), (20, 20, 44, 44))))
    assert np.abs(result[32, 32].astype(int) - (200, 30, 40)).max() <= 8
    assert (result[0, 0] == (200, 30, 40)).all()


def test_the_known_part_is_shown_as_it_is_whatever_the_start() -> None:
    picture, mask = photo(64, 64), mask_of((64, 64), (8, 8, 24, 24))
    canvas = Canvas.of(ask(), picture, mask)
    known, begin, piece = canvas.piece((64, 64), Fill.FILL)
    assert np.array_equal(np.asarray(known), np.asarray(picture))
    assert not np.array_equal(np.asarray(begin), np.asarray(picture))
    assert np.array_equal(np.asarray(piece), np.asarray(mask))


def test_a_thin_mask_is_still_there_when_a_large_picture_is_scaled_down() -> None:
    canvas = Canvas.of(ask(), photo(512, 512), mask_of((512, 512), (100, 40, 102, 400)))
    _, _, mask = canvas.piece((64, 64), Fill.ORIGINAL)
    assert mask.getbbox() is not None


@given(
    left=st.integers(0, 90),
    top=st.integers(0, 60),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    shape=st.sampled_from([(64, 64), (512, 64), (64, 512)]),
    padding=st.integers(0, 256),
)
def test_the_box_holds_the_mask_and_stays_in_the_picture(
    left: int, top: int, width: int, height: int, shape: tuple[int, int], padding: int
) -> None:
    mask = mask_of((100, 70), (left, top, left + width, top + height))
    bounds = mask.getbbox()
    box = masked_box(mask, shape, padding)
    assert bounds is not None
    assert 0 <= box[0] <= bounds[0] < bounds[2] <= box[2] <= 100
    assert 0 <= box[1] <= bounds[1] < bounds[3] <= box[3] <= 70


def test_the_box_has_the_shape_that_is_drawn_where_the_picture_is_large_enough() -> None:
    mask = mask_of((400, 400), (380, 100, 396, 110))
    assert masked_box(mask, (64, 64), 10) == (370, 90, 400, 120)
    assert masked_box(mask, (128, 64), 10) == (340, 90, 400, 120)


def test_the_watermark_stays_out_of_what_is_kept_and_is_claimed_only_where_it_can_be_read() -> None:
    small = mask_of((320, 320), (100, 100, 116, 116))
    large = mask_of((320, 320), (0, 0, 320, 300))
    picture = Image.fromarray(np.full((320, 320, 3), 120, np.uint8))
    finisher = Finisher(version="0.1.0", watermark="DRKRM1")
    claimed = []
    for mask in (small, large):
        canvas = Canvas.of(ask(), picture, mask)
        new = np.asarray(photo(64, 64).resize((320, 320), Image.Resampling.BICUBIC)) // 3 + 90
        pixels = canvas.finished(new.astype(np.uint8))
        content, _ = finisher.finish(pixels, ask(), seed=1, model_hash="h", kept=canvas.kept)
        with Image.open(io.BytesIO(content)) as file:
            claimed.append('"watermark": "DRKRM1"' in file.info["darkroom"])
            assert np.array_equal(np.asarray(file)[canvas.kept], pixels[canvas.kept])
            assert claimed[-1] == (not np.array_equal(np.asarray(file), pixels))
    assert claimed == [False, True]
