"""One picture of 48 prompts, each with the same seed: what the demo model can do, at a glance."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from engine.demo.training.drawing import Drawer

SEED = 7
COLUMNS, CELL, TEXT = 8, 192, 30  # pixels
QUALITY = 88

PROMPTS = (
    "a hamster with a brush",
    "a bird sitting on a tree branch",
    "a robot drawing with a pen",
    "a flying mouse",
    "a rural landscape with a city behind",
    "people dancing",
    "a cat in a hat",
    "a hamster on a blue background",
    "a kitty on a pink background",
    "a puppy at the beach",
    "a rocket ship in the night sky",
    "an astronaut in space",
    "a panda in the snow",
    "a fox on a meadow",
    "a car in front of a city skyline",
    "a sailboat at the beach",
    "a penguin left of a rabbit in the snow",
    "a cat to the left of a dog",
    "a lion and a unicorn",
    "a star above a castle",
    "a frog under an apple",
    "a bear in front of a tree",
    "a butterfly with a sunflower",
    "a pig and a cow on a meadow",
    "three apples",
    "two penguins in the snow",
    "four stars in the night sky",
    "five mushrooms",
    "a tiny robot on an orange background",
    "a huge pizza on a yellow background",
    "a small moon on a black background",
    "a big elephant on a white background",
    "a pencil sketch of a castle",
    "a pencil sketch of a cat in a hat",
    "an oil painting of a horse on a meadow",
    "an oil painting of a boat at the beach",
    "pixel art of a dragon",
    "a rocket, pixel art",
    "a black and white photo of a dog",
    "a black and white photo of a train",
    "a neon sign of a fox",
    "a coffee in neon lights",
    "a flying pig in the sky",
    "an owl on a tree branch in the night sky",
    "a rabbit holding a brush on a green background",
    "a burger next to an ice cream",
    "a rainbow in the sky",
    "a cactus wearing a hat",
)


def draw_contact_sheet(drawer: Drawer, file: Path) -> None:
    """Write the sheet as a JPEG: eight columns of pictures, each with its prompt below."""
    rows = -(-len(PROMPTS) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + TEXT)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, pixels in enumerate(drawer.draw([(prompt, SEED) for prompt in PROMPTS])):
        x, y = number % COLUMNS * CELL, number // COLUMNS * (CELL + TEXT)
        sheet.paste(
            Image.fromarray(pixels).resize((CELL - 4, CELL - 4), Image.Resampling.LANCZOS), (x + 2, y + 2)
        )
        draw.multiline_text((x + 4, y + CELL), _wrapped(PROMPTS[number]), fill="black", font=font, spacing=1)
    sheet.save(file, quality=QUALITY)


def _wrapped(prompt: str, width: int = 32) -> str:
    if len(prompt) <= width:
        return prompt
    break_at = prompt.rfind(" ", 0, width)
    return prompt[:break_at] + "\n" + prompt[break_at + 1 :]
