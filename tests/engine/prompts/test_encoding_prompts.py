"""Prompts become embeddings once; emphasis and length are each text's own; what could not be read is named."""

import logging
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.prompts.encoding import PromptEncoder, emphasised
from engine.prompts.limits import MAX_CHUNKS
from tests.engine.prompts.conftest import Counting
from tests.engine.prompts.effort import STEADY

# The property tests share one encoder: it has no state but its cache.
SHARED = settings(STEADY, max_examples=40)


def embedding(prompts: PromptEncoder, text: str, *, clip_skip: int = 1) -> torch.Tensor:
    return prompts.encode(text, "", guided=False, clip_skip=clip_skip).at(1, 1)


def by_hand(tokenizer: Any, text_encoder: Any, text: str) -> torch.Tensor:
    """As diffusers encodes a prompt of at most 75 tokens."""
    tokens = tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        hidden: torch.Tensor = text_encoder(tokens.input_ids)[0]
    return hidden


def test_a_guided_image_has_the_negative_row_first(prompts: PromptEncoder) -> None:
    guided = prompts.encode("a cat", "a dog", guided=True).at(1, 1)
    assert guided.shape == (2, 77, 8)
    assert torch.equal(guided[1:], embedding(prompts, "a cat"))
    assert torch.equal(guided[:1], embedding(prompts, "a dog"))


def test_a_prompt_is_encoded_once(prompts: PromptEncoder, text_encoder: Counting) -> None:
    for _ in range(3):
        prompts.encode("a cat", "", guided=True).at(1, 1)
    assert text_encoder.runs == 2  # the prompt, and the empty negative one


def test_the_cache_is_bounded_by_its_bytes(tokenizer: Any, text_encoder: Counting) -> None:
    three = 3 * 77 * text_encoder.config.hidden_size * 4
    prompts = PromptEncoder(
        tokenizer=tokenizer, text_encoder=text_encoder, device=torch.device("cpu"), cache_bytes=three
    )
    for word in ("cat", "dog", "fox", "cat", "owl"):
        embedding(prompts, word)
    assert text_encoder.runs == 4
    embedding(prompts, "dog")  # the one that nobody had asked for the longest
    assert text_encoder.runs == 5
    embedding(prompts, "owl")
    assert text_encoder.runs == 5


@SHARED
@given(text=st.text(alphabet="abc xyz,.'!é日🐹\n", max_size=60))
def test_a_plain_prompt_is_what_diffusers_makes_of_it(
    tokenizer: Any, text_encoder: Counting, prompts: PromptEncoder, text: str
) -> None:
    assert torch.equal(embedding(prompts, text), by_hand(tokenizer, text_encoder, text))


def test_diffusers_own_encode_prompt_agrees(
    tokenizer: Any, text_encoder: Counting, prompts: PromptEncoder
) -> None:
    pipeline = StableDiffusionPipeline(
        vae=None,
        text_encoder=text_encoder.network,
        tokenizer=tokenizer,
        unet=None,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    positive, negative = pipeline.encode_prompt("a cat, 12:30", "cpu", 1, True, negative_prompt="a dog")
    ours = prompts.encode("a cat, 12:30", "a dog", guided=True).at(1, 1)
    assert torch.equal(ours, torch.cat([negative, positive]))


@SHARED
@given(text=st.text(alphabet="abc ,", min_size=1, max_size=60))
def test_a_weight_of_one_everywhere_changes_nothing(prompts: PromptEncoder, text: str) -> None:
    assert torch.equal(embedding(prompts, f"({text}:1.0)"), embedding(prompts, text))


@SHARED
@given(
    text=st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "(",
                ")",
                "[",
                "]",
                ":",
                "|",
                "\\",
                "AND",
                "BREAK",
                ":1.3)",
                ":.5]",
                "cat ",
                "<lora:a:1>",
                ":-2",
                " ",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_text_becomes_numbers(prompts: PromptEncoder, text: str) -> None:
    conditioning = prompts.encode(text, text, guided=True)
    for step in (1, 10):
        rows = conditioning.at(step, 10)
        assert rows.shape[0] == conditioning.rows(range(step, step + 1), 10)
        assert rows.shape[1] % 77 == 0
        assert torch.isfinite(rows).all()


def test_emphasis_multiplies_its_tokens_and_keeps_the_mean(prompts: PromptEncoder) -> None:
    plain, strong = embedding(prompts, "a red cat"), embedding(prompts, "a (red:1.5) cat")
    weights = torch.ones(77)
    weights[2] = 1.5  # begin, "a", "red"
    raised = plain * weights[None, :, None]
    torch.testing.assert_close(strong, raised * (plain.mean() / raised.mean()))
    torch.testing.assert_close(strong.mean(), plain.mean())


def test_one_rows_emphasis_does_not_alter_anothers(prompts: PromptEncoder) -> None:
    plain = prompts.encode("a cat", "a dog", guided=True).at(1, 1)
    loud = prompts.encode("a (cat:1.9)", "a dog", guided=True).at(1, 1)
    assert torch.equal(loud[0], plain[0])
    assert not torch.equal(loud[1], plain[1])


def test_one_chunks_emphasis_does_not_alter_anothers(prompts: PromptEncoder) -> None:
    loud = embedding(prompts, "a (cat:1.9) BREAK a dog")
    assert torch.equal(loud[:, :77], embedding(prompts, "a (cat:1.9)"))
    assert torch.equal(loud[:, 77:], embedding(prompts, "a dog"))


def test_chunks_are_separate_encodings_one_after_the_other(prompts: PromptEncoder) -> None:
    first, second = "cat " * 75, "dog bird"
    together = embedding(prompts, first + second)
    assert together.shape == (1, 154, 8)
    assert torch.equal(together, torch.cat([embedding(prompts, first), embedding(prompts, second)], dim=1))


def test_a_long_prompt_is_divided_after_a_comma(prompts: PromptEncoder) -> None:
    first, second = "cat " * 64 + ",", "dog " * 20
    together = embedding(prompts, first + second)
    assert torch.equal(together, torch.cat([embedding(prompts, first), embedding(prompts, second)], dim=1))


def test_the_shorter_row_is_filled_with_empty_chunks(prompts: PromptEncoder) -> None:
    rows = prompts.encode("cat " * 80, "a dog", guided=True).at(1, 1)
    assert rows.shape == (2, 154, 8)
    assert torch.equal(rows[:1], torch.cat([embedding(prompts, "a dog"), embedding(prompts, "")], dim=1))


def test_clip_skip_takes_an_earlier_layer(
    tokenizer: Any, text_encoder: Counting, prompts: PromptEncoder
) -> None:
    tokens = tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.inference_mode():
        states = text_encoder.network(tokens, output_hidden_states=True).hidden_states
        layers = [text_encoder.network.final_layer_norm(state) for state in states]
    assert torch.equal(embedding(prompts, "a cat", clip_skip=1), layers[-1])
    assert torch.equal(embedding(prompts, "a cat", clip_skip=2), layers[-2])
    assert torch.equal(embedding(prompts, "a cat", clip_skip=3), layers[-3])


def test_a_layer_that_the_model_has_not_is_refused(prompts: PromptEncoder) -> None:
    with pytest.raises(Refusal) as refused:
        prompts.encode("a cat", "", guided=False, clip_skip=4)
    assert str(refused.value) == "clip_skip must be at most 3 with this model; it was 4."
    assert (refused.value.body.code, refused.value.body.field) == ("invalid_field", "clip_skip")


def test_tokens_are_counted_and_the_part_of_a_prompt_that_was_cut_is_named(prompts: PromptEncoder) -> None:
    fits = prompts.read("cat " * 75 * MAX_CHUNKS)
    assert (len(fits.chunks), fits.tokens, fits.cut) == (MAX_CHUNKS, 75 * MAX_CHUNKS, "")
    over = prompts.read("cat " * 75 * MAX_CHUNKS + "dog bird")
    assert (len(over.chunks), over.tokens, over.cut) == (MAX_CHUNKS, 75 * MAX_CHUNKS + 2, "dog bird")


def test_a_long_prompt_is_no_reason_to_warn_the_operator(
    prompts: PromptEncoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    monkeypatch.setattr(prompts._tokenizer, "deprecation_warnings", {})  # it would warn only once
    monkeypatch.setattr(prompts._tokenizer, "model_max_length", 77)
    assert prompts.read("dog " * 100).tokens == 100
    assert caplog.records == []


def test_what_was_cut_is_told_of_every_row_and_of_a_schedule_both_ends(prompts: PromptEncoder) -> None:
    long = "cat " * 75 * MAX_CHUNKS
    conditioning = prompts.encode(f"a AND {long}[dog:bird:0.5]", long + "rain", guided=True)
    assert [(field, reading.cut) for field, reading in conditioning.cuts(10)] == [
        ("negative_prompt", "rain"),
        ("prompt", "dog"),
        ("prompt", "bird"),
    ]
    assert [*prompts.encode("a cat", "a dog", guided=True).cuts(10)] == []


def test_emphasis_on_embeddings_without_a_mean_leaves_them_finite() -> None:
    centred = torch.tensor([[[1.0, -1.0], [2.0, -2.0], [1.0, -1.0]]])
    strong = emphasised(centred, (1.5,))
    assert torch.equal(strong, centred * torch.tensor([1.0, 1.5, 1.0])[None, :, None])
