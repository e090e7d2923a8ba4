"""Control pictures over HTTP: validated like the input image, stored, and handed to the worker."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from engine import wire
from engine.images.inputs import Sent
from engine.job import fingerprint_of
from tests.engine.front_process import REQUEST, Engine, picture, running
from tests.engine.models.headers import write

EDGES: dict[str, Any] = {"name": "edges"}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    offer(
        tmp_path / "controlnets" / "edges", cross_attention_dim=192
    )  # the demo's own width: no known family
    offer(tmp_path / "controlnets" / "pose-sd1", cross_attention_dim=768)
    async with running(tmp_path) as engine:
        yield engine


def offer(folder: Path, **config: object) -> None:
    """A ControlNet as the front sees it: its configuration and the header of its weights."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "ControlNetModel"} | config))
    write(folder / "diffusion_pytorch_model.safetensors", {"conv_in.weight": (4,)})


async def put(
    engine: Engine, controls: list[dict[str, Any]], *pictures: bytes, first: int = 0, **changes: Any
) -> tuple[int, dict[str, Any]]:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("request", json.dumps(REQUEST | {"controls": controls} | changes))
    for number, data in enumerate(pictures, first):
        form.add_field(f"control-{number}", io.BytesIO(data), filename=f"{number}.png")
    return await engine.call("PUT", "/v1/jobs/job", data=form)


async def test_the_engine_offers_its_controls_with_their_kind_and_family(engine: Engine) -> None:
    _, body = await engine.call("GET", "/v1/capabilities")
    assert body["controls"] == [
        {"name": "edges", "kind": "controlnet", "family": "sd"},
        {"name": "pose-sd1", "kind": "controlnet", "family": "sd1"},
    ]


async def test_control_pictures_reach_the_worker_as_clean_pngs_in_their_order(engine: Engine) -> None:
    controls: list[dict[str, Any]] = [
        EDGES,
        EDGES | {"weight": 0.5, "start": 0.1, "end": 0.9, "preprocess": "canny"},
    ]
    status, _ = await put(engine, controls, picture("red"), picture("blue", (24, 40)), prompt="slow")
    assert status == 202
    await engine.until("job", "progress")
    folder = engine.folder / "spool" / "job"
    with Image.open(folder / "control-0.png") as first, Image.open(folder / "control-1.png") as second:
        assert (first.size, first.mode, first.getpixel((0, 0))) == ((32, 32), "RGB", (255, 0, 0))
        assert (second.size, second.getpixel((0, 0))) == ((24, 40), (0, 0, 255))


async def test_the_same_controls_attach_and_another_control_picture_conflicts(engine: Engine) -> None:
    answers = [await put(engine, [EDGES], picture(colour)) for colour in ("red", "red", "blue")]
    assert [status for status, _ in answers] == [202, 200, 409]


REFUSED: list[tuple[list[dict[str, Any]], list[bytes], str, str, str]] = [
    (
        [EDGES],
        [],
        "control_missing",
        "controls.0",
        "edges needs a control picture, and none was sent.",
    ),
    (
        [],
        [picture()],
        "invalid_field",
        "controls.0",
        "A picture control-0 was sent, and there is no such control.",
    ),
    (
        [{"name": "edge"}],
        [picture()],
        "unknown_control",
        "controls.0.name",
        "There is no control called 'edge'. Known: edges, pose-sd1.",
    ),
    (
        [{"name": "../edges"}],
        [picture()],
        "unknown_control",
        "controls.0.name",
        "There is no control called '../edges'. Known: edges, pose-sd1.",
    ),
    (
        [EDGES, {"name": "pose-sd1"}],
        [picture(), picture()],
        "control_incompatible",
        "controls.1.name",
        "pose-sd1 steers models of the family sd1; demo is of sd.",
    ),
    ([EDGES], [b""], "control_unreadable", "controls.0", "The control picture is empty."),
    (
        [EDGES, EDGES],
        [picture(), picture()[:60]],
        "control_unreadable",
        "controls.1",
        "The control picture is damaged or cut off.",
    ),
    (
        [EDGES],
        [b"GIF89a" + bytes(50)],
        "control_unreadable",
        "controls.0",
        "The control picture is not a readable PNG, JPEG or WebP.",
    ),
    (
        [EDGES],
        [bytes(wire.MAX_INPUT_BYTES + 2**16)],
        "image_too_large",
        "controls.0",
        "The control picture must be at most 20 MiB; it was 20.1 MiB.",
    ),
    (
        [EDGES | {"weight": 2.5}],
        [picture()],
        "invalid_field",
        "controls.0.weight",
        "controls.0.weight must be at most 2; it was 2.5.",
    ),
    (
        [EDGES | {"start": 0.7, "end": 0.7}],
        [picture()],
        "invalid_field",
        "controls.0.start",
        "start must be less than end (0.7); it was 0.7.",
    ),
    (
        [EDGES | {"preprocess": "hed"}],
        [picture()],
        "invalid_field",
        "controls.0.preprocess",
        "controls.0.preprocess must be one of none, canny, scribble or invert; it was 'hed'.",
    ),
    (
        [EDGES] * 4,
        [picture()] * 3,
        "invalid_field",
        "controls",
        "controls must be at most 3 in number; it was 4.",
    ),
]


@pytest.mark.parametrize(("controls", "pictures", "code", "field", "message"), REFUSED)
async def test_what_is_wrong_with_a_control_is_said_in_one_sentence(
    engine: Engine, controls: list[dict[str, Any]], pictures: list[bytes], code: str, field: str, message: str
) -> None:
    _, body = await put(engine, controls, *pictures)
    assert (body["code"], body["field"], body["message"]) == (code, field, message)
    assert engine.drawn() == []


async def test_a_picture_under_another_number_is_no_control_of_the_request(engine: Engine) -> None:
    _, body = await put(engine, [EDGES], picture(), first=1)
    assert (body["code"], body["field"]) == ("control_missing", "controls.0")


async def test_a_part_of_an_unknown_name_is_refused(engine: Engine) -> None:
    status, body = await put(engine, [EDGES], picture(), first=3)
    assert status == 400
    assert body["message"] == (
        "The body must have one part 'request', and at most one each of"
        " image, mask, depth, control-0, control-1, control-2."
    )


def test_the_fingerprint_tells_control_pictures_apart_also_by_their_place() -> None:
    request = wire.GenerationRequest.model_validate(REQUEST)
    sent: list[dict[int, bytes]] = [{}, {0: b"a"}, {0: b"b"}, {1: b"a"}, {0: b"a", 1: b"b"}]
    prints = {fingerprint_of(request, Sent(controls=controls)) for controls in sent}
    prints |= {fingerprint_of(request, Sent(b"a")), fingerprint_of(request, Sent(mask=b"a"))}
    assert len(prints) == 7
