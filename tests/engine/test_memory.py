"""What fits into how much memory, by the sizes of the released models: parameters of text encoders, UNet and VAE."""

import pytest

from engine.errors import Refusal
from engine.memory import GB, check, parse, plan
from engine.validation import validate
from engine.wire import (
    Capabilities,
    Defaults,
    GenerationRequest,
    Memory,
    ModelInfo,
    Sampler,
    Schedule,
    Task,
    Weights,
)
from engine.worker.ladder import NONE, Rung

MILLION = 1_000_000
SD1 = Weights(text=123 * MILLION, unet=860 * MILLION, vae=84 * MILLION)
SD2 = Weights(text=340 * MILLION, unet=866 * MILLION, vae=84 * MILLION)
SDXL = Weights(text=(123 + 695) * MILLION, unet=2567 * MILLION, vae=84 * MILLION)
MODELS = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL}
TILES, OFFLOAD = frozenset({Rung.TILES}), frozenset({Rung.OFFLOAD})


def card(gigabytes: float, *, number: int = 2, **changes: bool) -> Memory:
    return Memory(bytes=int(gigabytes * GB), number=number, **changes)


@pytest.mark.parametrize(
    ("model", "side", "gigabytes", "rungs"),
    [
        ("sd1", 512, 4, NONE),
        ("sd1", 768, 4, NONE),
        ("sd1", 512, 2.4, OFFLOAD),
        ("sd1", 512, 1.5, {Rung.SEQUENTIAL, Rung.TILES}),
        ("sd2", 768, 8, NONE),
        ("sd2", 768, 4, TILES),
        ("sdxl", 1024, 12, NONE),
        ("sdxl", 1024, 8, TILES),
        ("sdxl", 1024, 6, OFFLOAD),
        ("sdxl", 1024, 4, {Rung.SEQUENTIAL, Rung.TILES}),
        ("sdxl", 1024, 24, NONE),
    ],
)
def test_released_models_fit_into_common_cards(
    model: str, side: int, gigabytes: float, rungs: set[Rung]
) -> None:
    memory = card(gigabytes)
    found = plan(MODELS[model], side * side, memory)
    assert found.rungs == rungs
    assert found.rows is not None
    assert found.rows >= 2
    assert found.needs <= memory.bytes


def test_more_memory_never_needs_more_sacrifices() -> None:
    for weights in MODELS.values():
        plans = [plan(weights, 1024 * 1024, card(size / 2)) for size in range(2, 49)]
        assert [each.rows for each in plans][-1] > 8  # type: ignore[operator]
        slow = [(Rung.SEQUENTIAL in each.rungs, Rung.OFFLOAD in each.rungs) for each in plans]
        assert slow == sorted(slow, reverse=True)


def test_float32_needs_twice_as_much_beside_what_the_driver_takes() -> None:
    half, whole = plan(SD1, 512 * 512, card(48)), plan(SD1, 512 * 512, card(48, number=4))
    assert whole.needs - GB // 2 == 2 * (half.needs - GB // 2)


def test_on_a_cpu_nothing_is_moved_out() -> None:
    found = plan(SDXL, 1024 * 1024, card(4, apart=False))
    assert found.rungs == TILES
    assert found.needs > 4 * GB


def asked(side: int) -> GenerationRequest:
    return GenerationRequest(
        model="m",
        prompt="",
        width=side,
        height=side,
        steps=20,
        guidance_scale=7.5,
        sampler=Sampler.EULER,
        seed=1,
    )


def info(weights: Weights | None) -> ModelInfo:
    defaults = Defaults(
        width=512,
        height=512,
        steps=20,
        guidance_scale=7.5,
        strength=0.75,
        sampler=Sampler.EULER,
        schedule=Schedule.AUTOMATIC,
    )
    return ModelInfo(name="m", title="m", family="sd1", tasks=(), defaults=defaults, weights=weights)


def test_what_can_never_fit_is_refused_with_the_estimate() -> None:
    with pytest.raises(Refusal) as refused:
        check(asked(2048), info(SD1), card(2))
    assert refused.value.body.field == "width"
    assert str(refused.value) == (
        "width × height is too much for the device's memory: 2048 × 2048 with m needs about 2.5 GB, and there are"
        " 2.0 GB."
    )


@pytest.mark.parametrize(
    ("side", "weights", "memory"),
    [
        (512, SD1, card(2)),
        (2048, SD1, card(4)),
        (2048, None, card(2)),
        (2048, SD1, None),
        (2048, SD1, card(2, slow_but_sure=True)),
    ],
)
def test_what_may_fit_is_tried(side: int, weights: Weights | None, memory: Memory | None) -> None:
    check(asked(side), info(weights), memory)


def test_the_front_refuses_before_it_queues() -> None:
    model = info(SD1).model_copy(update={"tasks": (Task.TXT2IMG,)})
    capabilities = Capabilities(
        boot_id="b", device="cuda", models=(model,), samplers=(), schedules=(), memory=card(2)
    )
    validate(asked(1024), capabilities, has_image=False)
    with pytest.raises(Refusal, match="too much for the device's memory"):
        validate(asked(2048), capabilities, has_image=False)


def test_the_setting_is_read_as_cards_are_sold() -> None:
    assert parse("auto") is None
    assert parse("4GB") == parse("4 GiB") == 4 * GB
    assert parse("1.5gb") == parse("1536MB") == 3 * GB // 2
    for wrong in ("", "4", "GB", "4TB", "-1GB", "all"):
        with pytest.raises(ValueError, match="must be auto or look like 8GB"):
            parse(wrong)
