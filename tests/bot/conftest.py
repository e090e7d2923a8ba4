"""The playground that the bot's own stories play in: judged, as everywhere."""

from tests.playground.conftest import clock, playground
from tests.playground.judges import judges

__all__ = ["clock", "judges", "playground"]
