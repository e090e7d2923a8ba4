"""Bad input: each answered in words, nothing lost, nothing queued."""

import io
import struct
import zlib

import pytest
from PIL import Image

from bot.playground.client import NotPossible, Person
from bot.trial import Trial, is_final, is_posted
from tests.flows.conftest import DEADLINE_S, QUICK, metric

pytestmark = [pytest.mark.flow, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def trial(shared_trial: Trial) -> Trial:
    return shared_trial


@pytest.fixture
def alice(shared_alice: Person) -> Person:
    return shared_alice


def png(width: int = 64, height: int = 64) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stream, "PNG")
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that declares more pixels than anybody should decode."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "TIFF")
    return stream.getvalue()


BAD_FILES = [
    ("empty.png", b"", "image: the file is empty."),
    ("truncated.png", png()[:80], "image: the file is damaged or cut short."),
    ("bomb.png", bomb(12000, 10000), "image: it must be at most 16 megapixels; it was 12000 x 10000 pixels."),
    ("picture.tiff", tiff(), "image: only PNG, JPEG and WEBP can be read; it was a TIFF."),
]
BAD_OPTIONS: list[tuple[dict[str, object], str]] = [
    ({"steps": 0}, "steps must be between 1 and 150; it was 0."),
    ({"steps": 100000}, "steps must be between 1 and 150; it was 100000."),
    ({"model": "dall-e"}, "There is no model called"),
    ({"prompt": "x" * 6000}, "prompt must be at most 2000 characters; it was 6000."),
    ({"strength": 0.5}, "strength needs an image to start from"),
    ({"size": "10x10"}, "width must be between 64 and 2048; it was 10."),
    ({"sampler": "ddim", "schedule": "karras"}, "schedule karras does not go with DDIM"),
]
BAD_STRENGTHS = [
    (0.0, "strength must be between 0.05 and 1; it was 0"),
    (1.5, "strength must be between 0.05 and 1; it was 1.5."),
]


async def answer(person: Person, options: dict[str, object], **files: tuple[str, bytes]) -> str:
    """What the bot says to options that Discord's own client would never have sent."""
    asked = await person.slash("imagine", options, files=files, unchecked=True)
    message = await person.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert not is_posted(message)
    assert not message["attachments"]
    content: str = message["content"]
    return content.replace("\\", "")  # words are escaped for Markdown


async def test_everything_that_cannot_be_drawn_is_refused_in_words_and_queues_nothing(
    trial: Trial, alice: Person
) -> None:
    for name, data, sentence in BAD_FILES:
        assert sentence in await answer(alice, QUICK, image=(name, data)), name
    for options, sentence in BAD_OPTIONS:
        assert sentence in await answer(alice, QUICK | options), options
    for strength, sentence in BAD_STRENGTHS:
        said = await answer(alice, QUICK | {"strength": strength}, image=("a.png", png()))
        assert sentence in said, strength
    assert await metric(trial, "darkroom_jobs_total", outcome="finished") == 0
    queue = await alice.wait_message(await alice.slash("queue"), timeout=DEADLINE_S)
    assert "no picture waiting" in queue["content"]


async def test_a_prompt_full_of_mentions_and_back_ticks_pings_nobody_and_breaks_nothing(
    trial: Trial, alice: Person
) -> None:
    prompt = "@everyone <@1> <@&2> <#3> ``` `code` ||spoiler|| [link](https://example.com) \u202e backwards"
    asked = await alice.slash("imagine", QUICK | {"prompt": prompt})
    message = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(message), message["content"]
    assert not message["mention_everyone"]
    assert message["mentions"] == []
    assert message["mention_roles"] == []
    assert "```" not in message["content"]
    assert "\u202e" not in message["content"]
    for entry in trial.playground.traffic.entries:
        body = getattr(entry, "body", None) or {}
        body = body.get("data", body) if isinstance(body, dict) else {}
        if isinstance(body, dict) and body.get("content"):
            assert body["allowed_mentions"]["parse"] == []


async def test_discords_own_client_would_not_have_sent_it_either(alice: Person) -> None:
    with pytest.raises(NotPossible, match="steps"):
        await alice.slash("imagine", QUICK | {"steps": 100000})
