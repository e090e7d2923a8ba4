"""What goes on from a picture is a request that says all that the first one said, but for what the button changes."""

import pytest

from bot.errors import Refused
from bot.framing import Direction
from bot.sequels import VARIATION_STRENGTH, again, drawn_from, edited, reframed, upscaled, variation
from engine.wire import Hires, Limits, Margins, Seamless, Task, Upscale
from tests.bot.samples import capabilities, model, request

OFFERED = capabilities(
    model(tasks=tuple(Task)), model("words only", tasks=(Task.TXT2IMG,)), upscalers=("lanczos",)
)
LIMITS = Limits()


def test_again_changes_the_seed_and_the_owner_and_nothing_else() -> None:
    assert again(request(), owner="8", seed=4) == request(owner="8", seed=4)


def test_a_variation_starts_from_the_picture_with_a_new_seed() -> None:
    varied = variation(request(count=4), OFFERED, owner="8", seed=4)
    assert varied == request(owner="8", seed=4, count=4, task=Task.IMG2IMG, strength=VARIATION_STRENGTH)


def test_a_variation_of_a_one_step_picture_has_a_step_to_draw() -> None:
    assert variation(request(steps=1), OFFERED, owner="8", seed=4).strength == 1


def test_a_variation_with_a_model_that_is_gone_is_refused() -> None:
    with pytest.raises(Refused, match="There is no model called 'gone'"):
        variation(request(model="gone"), OFFERED, owner="8", seed=4)


def test_edit_keeps_the_seed_and_changes_the_words() -> None:
    asked = edited(request(count=2), LIMITS, owner="8", prompt=" a cat ", negative_prompt="rain")
    assert asked == request(count=2, owner="8", prompt="a cat", negative_prompt="rain")


@pytest.mark.parametrize("prompt", ["", "  ", "x" * 2001])
def test_edited_words_are_checked_as_others_are(prompt: str) -> None:
    with pytest.raises(Refused, match=r"^prompt must"):
        edited(request(), LIMITS, owner="8", prompt=prompt, negative_prompt="")


def test_upscale_draws_nothing_and_keeps_the_words_for_what_comes_after() -> None:
    asked = upscaled(request(count=4, hires=Hires(scale=2)), (512, 768), OFFERED, owner="8")
    assert (asked.task, asked.post) == (Task.PROCESS, (Upscale(upscaler="lanczos", scale=2),))
    assert (asked.prompt, asked.model, asked.count, asked.hires) == ("a hamster in a hat", "sd15", 1, None)
    varied = variation(asked, OFFERED, owner="8", seed=4)
    assert varied == request(owner="8", seed=4, task=Task.IMG2IMG, strength=VARIATION_STRENGTH)


def test_a_picture_of_a_model_that_only_enlarges_leaves_its_words_behind_as_nothing_could_go_on_from_them() -> (
    None
):
    asked = upscaled(request(task=Task.UPSCALE, model="x4"), (512, 768), OFFERED, owner="8")
    assert (asked.task, asked.post) == (Task.PROCESS, (Upscale(upscaler="lanczos", scale=2),))
    assert asked.prompt == ""


def test_the_operators_upscaler_is_preferred_to_plain_resampling() -> None:
    offered = capabilities(upscalers=("lanczos", "4x-sharp", "a-third"))
    (step,) = upscaled(request(), (512, 512), offered, owner="8").post
    assert step == Upscale(upscaler="4x-sharp", scale=2)
    with pytest.raises(Refused, match="This engine has no upscaler"):
        upscaled(request(), (512, 512), capabilities(), owner="8")


def test_a_picture_that_would_become_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(
        Refused, match=r"2 times as large this picture would be 6000 x 6000; .* 16 megapixels"
    ):
        upscaled(request(), (3000, 3000), OFFERED, owner="8")


def test_a_pan_keeps_the_picture_and_draws_half_of_it_more() -> None:
    tiled = request(count=4, tiling=Seamless.X, hires=Hires(scale=2))
    asked, frame = reframed(tiled, Direction.LEFT, (512, 512), OFFERED, owner="8", seed=4)
    assert asked == request(
        owner="8", seed=4, task=Task.OUTPAINT, strength=0.9, extend=Margins(left=256), width=768, height=512
    )
    assert frame.picture == (512, 512)


def test_a_model_that_cannot_extend_a_picture_says_so() -> None:
    with pytest.raises(Refused, match="The model words only cannot extend an image; sd15 can"):
        reframed(request(model="words only"), Direction.OUT, (512, 512), OFFERED, owner="8", seed=4)


def test_what_was_described_is_drawn_with_the_first_models_defaults() -> None:
    asked = drawn_from("a red star", OFFERED, owner="8", seed=4)
    assert (asked.task, asked.prompt, asked.seed, asked.steps) == (Task.TXT2IMG, "a red star", 4, 20)
