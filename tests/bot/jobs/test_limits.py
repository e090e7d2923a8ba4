import pytest

from bot.config import Limits
from bot.errors import Refused
from bot.jobs.limits import check

LIMITS = Limits(jobs_per_person=3, jobs_in_all=10, crashes=2)


def test_below_the_limits_a_job_is_taken() -> None:
    check(LIMITS, mine=2, in_all=9, quarantined=False)


@pytest.mark.parametrize(
    ("mine", "in_all", "quarantined", "words"),
    [
        (3, 3, False, "You have 3 pictures waiting, and 3 at a time is the limit."),
        (4, 4, False, "You have 4 pictures waiting, and 3 at a time is the limit."),
        (0, 10, False, "10 pictures are waiting, and 10 in all is the limit."),
        (0, 0, True, "This request stopped the engine 2 times within the last day"),
    ],
)
def test_a_refusal_names_the_limit_and_the_number(
    mine: int, in_all: int, quarantined: bool, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        check(LIMITS, mine=mine, in_all=in_all, quarantined=quarantined)
    assert str(refused.value).startswith(words)
