"""The upscalers by name: those that need no file, and what a request needs of the others. Pure: no torch."""

from engine import violations
from engine.errors import Refusal
from engine.wire import GenerationRequest, Upscale

LANCZOS = "lanczos"

# A1111's `latent_upscale_modes`: the mode of torch's `interpolate`, and whether it is antialiased
LATENT_UPSCALERS = {
    "latent": ("bilinear", False),
    "latent (antialiased)": ("bilinear", True),
    "latent (bicubic)": ("bicubic", False),
    "latent (bicubic antialiased)": ("bicubic", True),
    "latent (nearest)": ("nearest", False),
    "latent (nearest-exact)": ("nearest-exact", False),
}

BUILT_IN = (LANCZOS, *LATENT_UPSCALERS)


def networks_of(request: GenerationRequest) -> tuple[str, ...]:
    """The upscalers of the folder that a request needs, each once."""
    names = [step.upscaler for step in request.post if isinstance(step, Upscale)]
    if request.hires is not None:
        names.append(request.hires.upscaler)
    return tuple(dict.fromkeys(name for name in names if is_network(name)))


def is_network(name: str) -> bool:
    """Whether it is a file of the folder."""
    return name not in BUILT_IN


def check(name: str, known: tuple[str, ...], *, field: str) -> None:
    """Raises Refusal unknown_upscaler, also for whatever looks like a path."""
    if name not in known:
        raise Refusal(
            "unknown_upscaler",
            f"There is no upscaler called '{name:.60}'. Known: {', '.join(known)}.",
            field=field,
            hint=violations.near(name, known),
        )
