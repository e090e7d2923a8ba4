"""ComfyUI's metadata: the graph that drew the picture, as its API takes it, in the text `prompt`.

A graph has no fixed place for a prompt or a seed. The sampler is looked for by what it is plugged into; from
there each value is followed upstream, nearest first.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from engine.images.recipe import Recipe, json_object, settings, text

MAX_NODES = 10_000  # looked at for one value
_SAMPLER_INPUTS = ("latent_image", "latent")
_NAMES = {
    "steps": "Steps",
    "sampler_name": "Sampler",
    "scheduler": "Schedule type",
    "cfg": "CFG scale",
    "seed": "Seed",
    "noise_seed": "Seed",
    "denoise": "Denoising strength",
    "ckpt_name": "Model",
    "unet_name": "Model",
}

Graph = dict[str, Any]
Node = dict[str, Any]  # the inputs of a node: plain values, and links [node id, output]


def parse(prompt: str) -> Recipe | None:
    """What a graph says; None where there is no sampler in it."""
    graph = json_object(prompt)
    sampler = next((node for node in map(_inputs, graph.values()) if _is_sampler(node)), None)
    if sampler is None:
        return None
    found = {name: value for name in _NAMES if (value := _nearest(graph, sampler, (name,))) is not None}
    latent = _linked(graph, sampler, _SAMPLER_INPUTS)
    size = [_nearest(graph, latent, (side,)) for side in ("width", "height")]
    known = settings(found, _NAMES)
    if all(isinstance(side, int) for side in size):
        known["Size"] = f"{size[0]}x{size[1]}"
    return Recipe(
        made_with="ComfyUI",
        prompt=_prompt(graph, sampler, ("positive", "conditioning")),
        negative_prompt=_prompt(graph, sampler, ("negative",)),
        settings=known,
    )


def _inputs(node: Any) -> Node:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def _is_sampler(node: Node) -> bool:
    has_latent = any(_is_link(node.get(name)) for name in _SAMPLER_INPUTS)
    return has_latent and any(_is_link(node.get(name)) for name in ("positive", "guider"))


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _upstream(graph: Graph, start: Node) -> Iterator[Node]:
    """A node and everything that leads to it, nearest first, each once."""
    waiting, seen = deque([start]), set[str]()
    for _ in range(MAX_NODES):
        if not waiting:
            return
        node = waiting.popleft()
        yield node
        for link in filter(_is_link, node.values()):
            if link[0] not in seen:
                seen.add(link[0])
                waiting.append(_inputs(graph.get(link[0])))


def _nearest(graph: Graph, start: Node, names: Sequence[str]) -> str | int | float | None:
    for node in _upstream(graph, start):
        for name in names:
            value = node.get(name)
            if isinstance(value, str | int | float):
                return value
    return None


def _linked(graph: Graph, start: Node, names: Sequence[str]) -> Node:
    """The node that the nearest input of one of these names is plugged into."""
    for node in _upstream(graph, start):
        for name in names:
            if _is_link(node.get(name)):
                return _inputs(graph.get(node[name][0]))
    return {}


def _prompt(graph: Graph, sampler: Node, names: Sequence[str]) -> str:
    return text(
        _nearest(graph, _linked(graph, sampler, names), ("text", "text_g", "t5xxl", "value", "string"))
    )
