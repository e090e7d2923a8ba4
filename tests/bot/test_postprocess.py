"""What a person says of the time after drawing becomes fields of the request, or a sentence."""

import pytest

from bot.errors import Refused
from bot.postprocess import Postprocess
from bot.redraw import Redraw
from bot.requests import Options, build
from bot.sequels import variation
from engine.wire import GenerationRequest, Hires, Sharpen, Task, Upscale
from tests.bot.samples import capabilities, model

OFFERED = capabilities(
    model(tasks=tuple(Task)),
    upscalers=("lanczos", "4x-Sharp"),
    latent_upscalers=("latent", "latent (bicubic)"),
)


def made(
    image: tuple[int, int] | None = None, prompt: str = "a hamster", **said: object
) -> GenerationRequest:
    options = Options(prompt=prompt, image=image, postprocess=Postprocess(**said))  # type: ignore[arg-type]
    return build(options, OFFERED, owner="7", random_seed=1)


def test_steps_come_in_the_order_in_which_they_were_named_the_upscale_first() -> None:
    request = made(upscale="4X-sharp:1.5", steps=("sharpen amount=1 radius=2", "resize width=64 height=64"))
    assert request.post[:2] == (Upscale(upscaler="4x-Sharp", scale=1.5), Sharpen(amount=1, radius=2))
    assert [step.type for step in request.post] == ["upscale", "sharpen", "resize"]


def test_a_second_pass_has_a_factor_and_may_have_an_upscaler() -> None:
    assert made(hires="2").hires == Hires(scale=2)
    assert made(hires="1.5:Latent (bicubic)").hires == Hires(scale=1.5, upscaler="latent (bicubic)")


def test_a_picture_without_words_is_only_processed_at_its_own_size() -> None:
    request = made((4000, 3000), "", upscale="lanczos")
    assert (request.task, request.owner, request.post) == (Task.PROCESS, "7", (Upscale(upscaler="lanczos"),))
    options = Options(prompt=" ", image=(8, 8), postprocess=Postprocess(upscale="lanczos"))
    assert options.keeps_size
    assert not Options(prompt="a cat", postprocess=Postprocess(upscale="lanczos")).keeps_size
    assert Options(prompt="a cat", redraw=Redraw(mask=True)).keeps_size


def test_a_variation_is_drawn_once() -> None:
    assert variation(made(hires="2"), OFFERED, owner="7", seed=2).hires is None


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"upscale": "4x-Shrp"}, "upscale: there is no upscaler called '4x-Shrp'. Did you mean 4x-Sharp?"),
        ({"upscale": "lanczos:9"}, "upscale: upscale scale must be less than or equal to 8; it was 9.0."),
        ({"upscale": ""}, "upscale must be the name of an upscaler"),
        (
            {"steps": ("blur",)},
            "post must begin with one of upscale, faces, sharpen, denoise, colour, crop, resize; it was",
        ),
        (
            {"steps": ("sharpen hard",)},
            "post must be such as 'sharpen amount=1 radius=2'; it was 'sharpen hard'.",
        ),
        ({"steps": ("sharpen size=1",)}, "post: sharpen size is no option of it; it was 1."),
        ({"steps": ("crop width=20",)}, "post: crop height is missing."),
        ({"steps": ("",)}, "post must begin with one of"),
        ({"steps": ("sharpen",) * 9}, "post must be at most 8 steps; it was 9."),
        (
            {"hires": "9"},
            "hires must be a factor from 1 to 4, with an upscaler or without, such as 2:latent; it was",
        ),
        ({"hires": "2:x"}, "hires: there is no upscaler called 'x'."),
        ({"hires": "2", "upscale": "lanczos", "prompt": "", "image": (8, 8)}, "hires needs a prompt"),
        ({"upscale": "lanczos", "prompt": ""}, "prompt must not be empty."),
    ],
)
def test_what_cannot_be_is_one_sentence(said: dict[str, object], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        made(**said)  # type: ignore[arg-type]
    assert sentence in str(refused.value)
