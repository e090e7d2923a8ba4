"""What may be asked for after drawing, before anything is queued."""

import pytest

from engine import hires, postprocessing
from engine.errors import Refusal
from engine.postprocessing import check_sizes
from engine.queue import cost_of
from engine.upscalers import LANCZOS, LATENT_UPSCALERS
from engine.validation import completed, parse_request, validate
from engine.wire import Capabilities, GenerationRequest, Hires, Task
from tests.engine.test_validation import ask, capabilities

UPSCALE = {"type": "upscale", "upscaler": "lanczos", "scale": 2}


def offered() -> Capabilities:
    return capabilities(upscalers=(LANCZOS, "x4plus"), latent_upscalers=tuple(LATENT_UPSCALERS))


def process(*post: dict[str, object], **changes: object) -> GenerationRequest:
    return GenerationRequest.model_validate({"task": "process", "post": post} | changes)


def refused(request: GenerationRequest, *, has_image: bool = False) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        validate(request, offered(), has_image=has_image)
    return refusal.value


def test_a_process_request_needs_no_model_and_no_prompt() -> None:
    request = parse_request(b'{"task": "process", "post": [{"type": "sharpen"}]}')
    validate(request, offered(), has_image=True)
    assert completed(request, offered()) == request


def test_what_a_process_request_must_have_it_is_told() -> None:
    assert refused(process(UPSCALE)).body.code == "image_missing"
    assert refused(process(), has_image=True).body.field == "post"
    assert refused(process(UPSCALE, count=2), has_image=True).body.field == "count"
    assert refused(process(UPSCALE, strength=0.5), has_image=True).body.field == "strength"
    assert refused(process(UPSCALE, hires={"scale": 2}), has_image=True).body.field == "hires"


@pytest.mark.parametrize("name", ["x4plu", "../x4plus", "latent"])
def test_an_unknown_upscaler_is_named_with_its_field(name: str) -> None:
    refusal = refused(ask(post=[{"type": "sharpen"}, UPSCALE | {"upscaler": name}]))
    assert (refusal.body.code, refusal.body.field) == ("unknown_upscaler", "post.1.upscaler")
    assert refusal.body.message == f"There is no upscaler called '{name}'. Known: lanczos, x4plus."
    assert refused(ask(hires={"scale": 2, "upscaler": "x5"})).body.field == "hires.upscaler"


def test_an_unknown_face_restorer_is_named_with_its_field() -> None:
    request = ask(post=[{"type": "faces", "restorer": "../GFPGAN"}])
    refusal = refused(request)
    assert (refusal.body.code, refusal.body.field) == ("unknown_restorer", "post.0.restorer")
    assert refusal.body.message == "There is no face restorer called '../GFPGAN'. This engine has none."
    validate(ask(post=[{"type": "faces", "restorer": "a"}]), capabilities(restorers=("a",)), has_image=False)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"type": "blur"},
            "post.0 must be one of upscale, faces, sharpen, denoise, colour, crop, resize; it was 'blur'.",
        ),
        (
            {"type": "upscale", "upscaler": "x", "scale": 9},
            "post.0.upscale.scale must be at most 8; it was 9.",
        ),
        ({"upscaler": "x"}, "post.0 must be a table with a type."),
    ],
)
def test_a_wrong_step_is_refused_in_one_sentence(step: dict[str, object], message: str) -> None:
    request = GenerationRequest.model_construct(**(ask().model_dump() | {"post": [step]}))
    with pytest.raises(Refusal) as refusal:
        parse_request(request.model_dump_json(warnings=False).encode())
    assert str(refusal.value) == message


def test_there_are_at_most_eight_steps() -> None:
    step = '{"type": "sharpen"}'
    nine = ask().model_dump_json().replace('"post":[]', f'"post": [{", ".join([step] * 9)}]')
    with pytest.raises(Refusal, match=r"post must be at most 8 in number; it was 9\."):
        parse_request(nine.encode())


def test_a_result_that_is_too_large_is_refused_with_numbers() -> None:
    request = process(UPSCALE | {"scale": 8}, UPSCALE)
    check_sizes(request, (200, 100))
    with pytest.raises(Refusal) as refusal:
        check_sizes(request, (600, 400))
    assert refusal.value.body.field == "post.1"
    assert str(refusal.value) == (
        "post.1 must leave at most 8192 pixels a side and 16777216 in all; it would be 9600 × 6400 (61440000)."
    )


def test_a_result_that_is_too_thin_is_refused_too() -> None:
    thin = process({"type": "resize", "width": 100, "height": 100, "how": "fit"}, UPSCALE)
    check_sizes(thin, (800, 64))
    with pytest.raises(Refusal, match=r"post\.0 must leave at least 8 pixels a side; it would be 100 × 1\."):
        check_sizes(thin, (8000, 64))


def test_a_number_is_no_text() -> None:
    with pytest.raises(Refusal, match=r"post\.0\.sharpen\.amount must be a number; it was '1'\."):
        parse_request(b'{"task": "process", "post": [{"type": "sharpen", "amount": "1"}]}')


def test_a_crop_lies_within_what_the_steps_before_it_left() -> None:
    crop = {"type": "crop", "x": 100, "y": 0, "width": 100, "height": 50}
    check_sizes(process(UPSCALE, crop), (100, 50))
    with pytest.raises(Refusal, match="within the picture, which is 199 × 100 there"):
        check_sizes(process({"type": "resize", "width": 199, "height": 100}, crop), (100, 50))


@pytest.mark.parametrize(
    ("changes", "given", "size"),
    [
        ({}, None, (64, 64)),
        ({"hires": {"scale": 1.6}}, None, (96, 96)),  # 102.4, in whole cells
        ({"hires": {"width": 128, "height": 72}}, None, (128, 72)),
        ({"task": Task.IMG2IMG}, (300, 200), (64, 64)),
        ({"task": Task.INPAINT}, (300, 200), (300, 200)),
        ({"task": Task.OUTPAINT, "extend": {"left": 8}}, (300, 200), (308, 200)),
        ({"task": Task.PROCESS}, (300, 200), (300, 200)),
    ],
)
def test_the_size_before_post_is_that_of_the_task(
    changes: dict[str, object], given: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    assert postprocessing.drawn_size(ask(**changes), given) == size


@pytest.mark.parametrize(
    ("changes", "field", "part"),
    [
        ({"hires": {}}, "hires", "either a scale, or a width and a height"),
        ({"hires": {"scale": 2, "width": 128, "height": 128}}, "hires", "either a scale"),
        ({"hires": {"width": 128}}, "hires", "either a scale"),
        (
            {"hires": {"width": 64, "height": 72}, "height": 128},
            "hires",
            "smaller than the first pass, 64 × 128",
        ),
        ({"hires": {"scale": 4}, "width": 1024}, "hires", "it would be 4096 × 256 (1048576)"),
        ({"hires": {"scale": 2, "strength": 0.1}, "steps": 20}, "hires.steps", "it was 20 / 0.1"),
    ],
)
def test_a_second_pass_that_cannot_be_drawn_is_refused(
    changes: dict[str, object], field: str, part: str
) -> None:
    refusal = refused(ask(**changes))
    assert (refusal.body.code, refusal.body.field) == ("invalid_field", field)
    assert part in str(refusal)


def test_hires_belongs_to_words_alone() -> None:
    model = offered().models[0].model_copy(update={"tasks": tuple(Task)})
    request = ask(task=Task.IMG2IMG, strength=1.0, hires={"scale": 2})
    with pytest.raises(Refusal, match="hires belongs to txt2img; the task was img2img"):
        validate(request, offered().model_copy(update={"models": (model,)}), has_image=True)


def test_hires_and_a_refiner_do_not_go_together() -> None:
    request = ask(hires={"scale": 2}, refiner={"model": "refiner"})
    with pytest.raises(Refusal, match="hires does not go with a refiner"):
        hires.check(request, offered(), offered().models[0])


def test_the_second_pass_draws_exactly_its_steps_whatever_the_strength() -> None:
    for drawn in range(1, 151):
        for strength in (0.05, 0.145, 0.29, 0.33, 0.58, 0.7, 0.75, 1.0):
            second = hires.second_request(ask(), Hires(scale=2, steps=drawn, strength=strength))
            assert min(int(second.steps * strength), second.steps) == drawn


def test_a_second_pass_and_what_follows_are_part_of_the_cost() -> None:
    plain = ask(steps=10)
    again = ask(steps=10, hires={"scale": 2, "steps": 5})
    assert cost_of(again) == cost_of(plain) + 4 * 64 * 64 * 5
    enlarged = ask(steps=10, post=[UPSCALE | {"upscaler": "x4plus"}], count=2)
    assert cost_of(enlarged) == 2 * (cost_of(plain) + 6 * 64 * 64)
    assert cost_of(process(UPSCALE | {"upscaler": "x4plus"}), (512, 512)) == 6 * 512 * 512
    assert cost_of(process({"type": "sharpen"}), (8, 8)) > 0
