import pytest

from bot.errors import Refused
from bot.judging import Judging
from engine.wire import Limits, Safety


def test_nothing_said_draws_what_is_asked_for_and_leaves_the_check_to_the_operator() -> None:
    assert Judging().fields(2, Limits()) == {"best_of": None, "safety": Safety.OFF}


def test_what_a_person_chose_is_in_the_request() -> None:
    chosen = Judging(best_of=8, safety=" Blur ").fields(2, Limits())
    assert chosen == {"best_of": 8, "safety": Safety.BLUR}


@pytest.mark.parametrize(
    ("judging", "sentence"),
    [
        (Judging(best_of=1), "best_of must be between count, which is 2, and 16; it was 1."),
        (Judging(best_of=17), "best_of must be between count, which is 2, and 16; it was 17."),
        (Judging(safety="on"), "safety must be one of off, pass, blur, block; it was 'on'."),
    ],
)
def test_what_does_not_fit_is_refused_in_words(judging: Judging, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        judging.fields(2, Limits())
    assert str(refused.value) == sentence
