"""The sentences that people read, and that nothing in a prompt can break out of them."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.jobs.states import JobState
from bot.ui import words
from engine.models.card import Vocabulary
from engine.wire import (
    STARTING,
    Colour,
    Crop,
    Denoise,
    Loading,
    Progress,
    Queued,
    Resize,
    RestoreFaces,
    Sharpen,
    Task,
    Upscale,
)
from tests.bot.samples import capabilities, conversation, job

NASTY = (
    "a `cat` @everyone <@123456789012345678> </x:1> <t:1> **b** [x](http://y) "
    "\u202eevil\u2066\n```py\x00\x1b[31m||spoiler||"
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (111, "111th"),
    ],
)
def test_ordinals(number: int, text: str) -> None:
    assert words.ordinal(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (14.2, "14 s"), (59, "59 s"), (89, "1 min"), (200, "3 min"), (7200, "2 h")],
)
def test_durations_are_as_exact_as_a_guess(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_waiting_job_tells_its_place_and_time() -> None:
    text = words.waiting(job(), Queued(position=2, eta_s=14), None)
    assert text == "<@7> `a hamster in a hat`\nQueued, 2nd in line, about 14 s."


def test_a_waiting_job_without_a_place_tells_why() -> None:
    assert words.waiting(job(), None, "The engine is away.").endswith("\nThe engine is away.")
    assert words.waiting(job(), None, None).endswith("\nQueued.")


def test_drawing_shows_a_bar_the_step_and_the_time_left() -> None:
    text = words.drawing(job(), Progress(step=10, steps=20, eta_s=9))
    assert text == "<@7> `a hamster in a hat`\n▰▰▰▰▰▰▱▱▱▱▱▱ 50 % · step 10 of 20 · about 9 s left"
    assert words.drawing(job(), Loading(model="sd15")).endswith("\nLoading the model `sd15` …")


def test_after_the_last_step_it_is_finishing_and_no_time_is_promised() -> None:
    text = words.progress(Progress(step=2, steps=2, eta_s=0))
    assert text == "▰▰▰▰▰▰▰▰▰▰▰▰ 100 % · step 2 of 2 · finishing"


def test_progress_never_leaves_its_bar() -> None:
    assert words.progress(Progress(step=25, steps=20)).startswith("▰" * 12 + " 100 %")
    assert words.progress(Progress(step=0, steps=0)).startswith("▱" * 12 + " 0 %")


def test_the_result_line_holds_everything_to_draw_it_again() -> None:
    text = words.result(job(seconds=7.44), ["Untrained.", "Untrained.", "Cut."])
    assert text == (
        "**<@7>** · `a hamster in a hat` · seed 123 · model sd15 · 20 steps · 7.4 s\n-# Untrained.\n-# Cut."
    )


def test_a_models_longest_hint_is_read_to_its_end() -> None:
    known = Vocabulary(words=frozenset({"x" * 30}), advice="Try a hamster. " * 18 + "That is how.")
    hint = known.hint(" ".join("x" * 29 + mistyped for mistyped in "abc"))
    assert hint is not None
    assert words.result(job(), [hint]).endswith("That is how.")


def test_what_was_done_to_a_picture_is_told_instead_of_how_it_was_drawn() -> None:
    done = (Upscale(upscaler="4x_sharp", scale=1.5), Sharpen(), RestoreFaces(restorer="gfpgan"))
    processed = job(task=Task.PROCESS, post=done, prompt="", seconds=2.0)
    assert words.result(processed, []) == (
        "**<@7>** · a picture · 1.5 times as large, by 4x\\_sharp · sharpened · faces restored · 2.0 s"
    )
    assert words.waiting(processed, None, None).startswith("<@7> a picture\n")


def test_every_step_that_may_be_done_has_a_word() -> None:
    steps = (Denoise(), Colour(), Crop(width=8, height=8), Resize(width=8, height=8))
    said = words.result(job(task=Task.PROCESS, post=steps), [])
    assert said.endswith(" · smoothed · other colours · cropped · resized")


def test_a_description_is_quoted_and_kept_back_where_a_server_does_not_allow_it() -> None:
    described = job(task=Task.DESCRIBE, prompt="", description="a `red` star @everyone")
    assert words.result(described, []) == "**<@7>** · a picture in words\n> `a ˋredˋ star @everyone`"
    assert "star" not in words.result(described, [], show_prompt=False)


def test_the_result_line_can_do_without_the_prompt() -> None:
    assert "hamster" not in words.result(job(), [], show_prompt=False)


def test_a_prompt_cannot_leave_its_inline_code() -> None:
    shown = words.code(NASTY, 500)
    assert shown.startswith("`")
    assert shown.endswith("`")
    inside = shown[1:-1]
    assert not set("`\n\x00\x1b\u202e\u2066") & set(inside)


def test_plain_text_neither_formats_nor_pings_nor_reorders() -> None:
    shown = words.plain(NASTY)
    assert "@everyone" not in shown
    assert "<@123" not in shown
    assert "\\[x](http:\u200b//y)" in shown
    assert "http://" not in shown
    assert not re.search(r"(?<!\\)<", shown)
    assert "\\*\\*b\\*\\*" in shown
    assert "\\`cat\\`" in shown
    assert not set("\x00\x1b\u202e\u2066") & set(shown)


@given(st.text(max_size=2000), st.lists(st.text(max_size=1000), max_size=6))
def test_no_message_exceeds_discords_limit(prompt: str, notices: list[str]) -> None:
    asked = job(prompt=prompt)
    texts = [
        words.result(asked, notices),
        words.waiting(asked, None, "".join(notices)),
        words.drawing(asked, Progress(step=1, steps=2)),
        words.ended(asked, "".join(notices)),
        words.refusal(prompt),
    ]
    assert all(len(text) <= words.MAX_CONTENT for text in texts)


def test_the_longest_prompt_is_shown_cut() -> None:
    text = words.result(job(prompt="x" * 2000), [])
    assert "x" * 900 in text
    assert "…`" in text


def test_a_queue_too_long_for_one_message_is_counted() -> None:
    entries = [words.queue_entry(job(prompt="x" * 100), None) for _ in range(100)]
    text = words.queue(entries, "Totals.")
    assert len(text) <= words.MAX_CONTENT
    shown = text.count("- `")
    assert 0 < shown < 100
    assert text.endswith(f"- and {100 - shown} more\nTotals.")


def test_an_empty_queue_says_so() -> None:
    assert words.queue([], "Totals.") == f"{words.NO_JOBS}\nTotals."


def test_totals_count_and_say_how_the_engine_is() -> None:
    assert words.totals(0, "It is well.") == "Nobody has a picture waiting or being drawn. It is well."
    assert words.totals(1, "It is well.").startswith("One picture is waiting")
    assert words.totals(2, "It is well.").endswith("It is well.")


def test_the_engine_is_named_by_its_device_unless_it_is_starting_or_away() -> None:
    offered = capabilities()
    assert words.engine_status(offered, away=False) == "The engine is up."
    assert words.engine_status(offered, away=True).startswith("The engine is away")
    assert words.engine_status(None, away=True) == "The engine has not been up yet."
    starting = offered.model_copy(update={"device": STARTING})
    assert words.engine_status(starting, away=False) == "The engine is starting."


def test_a_history_entry_leads_back_to_its_message() -> None:
    text = words.history_entry(job(state=JobState.POSTED))
    assert "(https://discord.com/channels/66/55/2002)" in text
    assert "posted · <t:1795176000:R>" in text


def test_a_link_into_direct_messages_has_no_server() -> None:
    private = job(where=conversation(guild_id=None))
    assert words.jump_link(private) == "[show](https://discord.com/channels/@me/55/2002)"
    assert words.jump_link(replace(private, conversation=conversation(message_id=None))) == ""


def test_every_state_has_a_word() -> None:
    for state in JobState:
        assert words.history_entry(job(state=state))


def test_what_a_server_does_not_allow_is_not_quoted_in_notices_either() -> None:
    notice = "This model does not know “darn” (did you mean “barn”?). It's small."
    said = words.result(job(), [notice], show_prompt=False)
    assert "This model does not know “…” (did you mean “…”?). It's small." in said
    assert "darn" not in said
    assert (
        words.unquoted("There is no LoRA called 'darn'. Known: a, b.")
        == "There is no LoRA called “…”. Known: a, b."
    )
    assert "darn" not in words.ended(job(), "Not used: “darn and so on", show_prompt=False)
