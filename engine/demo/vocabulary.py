"""What the demo model can draw: its kinds of things, places, colours and styles, and the words for them. No torch.

`KINDS` is in the order in which a smaller model would keep them: training with `--kinds 48` learns the first 48.
A kind's glyph is an emoji of Noto Color Emoji; its names are those that captions use, the first one most often.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.models.card import words_of


@dataclass(frozen=True)
class Kind:
    """One thing. `names` are singular; a plural ends in s unless `PLURALS` knows better."""

    glyph: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]


_KINDS = """
🐹 hamster, guinea pig
🐱 cat, kitty, kitten
🐶 dog, puppy
🐦 bird
🤖 robot
🐭 mouse
🏠 house, home, cottage
🌳 tree
🖌️ brush, paintbrush
🖊️ pen
🎩 hat, top hat
🚗 car, automobile
🚀 rocket, rocket ship, spaceship
🌻 flower, sunflower
👩‍🚀 astronaut, spaceman
🐰 rabbit, bunny
🦊 fox
🐻 bear
🐼 panda
🦉 owl
🐸 frog, toad
🐷 pig, piglet
🐮 cow
🦁 lion
🐧 penguin
🐠 fish
🦋 butterfly
🐘 elephant
🐴 horse, pony
🦄 unicorn
🐉 dragon
🍎 apple
🍕 pizza
🍔 burger, hamburger
🎂 cake, birthday cake
🍦 ice cream
☕ coffee, cup of coffee
🚲 bicycle, bike
⛵ boat, sailboat
✈️ airplane, plane
🚂 train, locomotive
🏰 castle
🌵 cactus
🍄 mushroom
⭐ star
🌙 moon
☀️ sun
🌈 rainbow
⛄ snowman
🧙 wizard
👨‍🍳 cook, chef
👮 police officer, policeman
👑 crown
🎈 balloon
🎁 gift, present
🎸 guitar
☂️ umbrella
📖 book
💡 lamp, light bulb
❤️ heart
👻 ghost
👽 alien
🦆 duck
🐝 bee
🐵 monkey
🐯 tiger
🐨 koala
🐔 chicken, hen
🐢 turtle, tortoise
🐙 octopus
🐳 whale
🐬 dolphin
🦈 shark
🐌 snail
🐞 ladybug, ladybird
🦕 dinosaur
🐍 snake
🐑 sheep
🦀 crab
🦅 eagle
🦇 bat
🐺 wolf
🦒 giraffe
🦓 zebra
🦔 hedgehog
🐊 crocodile
🐪 camel
🦜 parrot
🦩 flamingo
🦚 peacock
🐐 goat
🦌 deer
🐿️ squirrel, chipmunk
🍌 banana
🍓 strawberry
🍉 watermelon
🍇 grapes, bunch of grapes
🍋 lemon
🍍 pineapple
🍒 cherries
🍐 pear
🥕 carrot
🌽 corn
🍅 tomato
🥦 broccoli
🍞 bread, loaf of bread
🧀 cheese
🍩 donut, doughnut
🍪 cookie
🌭 hot dog
🍟 fries, french fries
🍣 sushi
🥐 croissant
🥚 egg
🍿 popcorn
🍺 beer, glass of beer
🍷 wine, glass of wine
🚌 bus
🚒 fire engine, fire truck
🚑 ambulance
🚓 police car
🚚 truck, lorry
🚜 tractor
🏍️ motorcycle, motorbike
🚁 helicopter
🚢 ship
🛸 ufo, flying saucer
🛴 scooter
🛹 skateboard
⛺ tent
⛪ church
🏭 factory
🏥 hospital
🗼 tower
🎡 ferris wheel
🏫 school
🛖 hut
🌲 pine tree, fir tree
🌴 palm tree
🎄 christmas tree
🌹 rose
🌷 tulip
🍁 maple leaf, leaf
☁️ cloud
⛰️ mountain
🌋 volcano
🔥 fire, flame
💧 drop of water, water drop
🌍 earth, globe
⚡ lightning
🧑‍🌾 farmer
🧑‍⚕️ doctor
🧑‍🚒 firefighter, fireman
🧑‍🎨 painter, artist
🧑‍🏫 teacher
👷 builder, construction worker
🧑‍🔬 scientist
🕵️ detective
💂 guard
👸 princess
🤴 prince
🎅 santa claus, santa
🧜‍♀️ mermaid
🧚 fairy
🧛 vampire
🥷 ninja
🦸 superhero
🤡 clown
👶 baby
✏️ pencil
🔨 hammer
🔧 wrench, spanner
✂️ scissors
🪚 saw
🪓 axe
🔑 key
🧹 broom
📷 camera
📱 phone, smartphone
💻 computer, laptop
📺 television, tv
⏰ alarm clock, clock
🕶️ sunglasses
⚽ football, soccer ball
🏀 basketball
🎻 violin
🥁 drum
🎺 trumpet
🎹 piano
💎 diamond
🔔 bell
🗡️ sword
⚓ anchor
🧸 teddy bear
🪑 chair
🛋️ sofa, couch
👟 shoe, sneaker
"""

KINDS: tuple[Kind, ...] = tuple(
    Kind(glyph, tuple(name.strip() for name in names.split(",")))
    for glyph, names in (line.split(" ", 1) for line in _KINDS.strip().splitlines())
)

PLURALS = {
    "mouse": "mice",
    "fish": "fish",
    "sheep": "sheep",
    "bunny": "bunnies",
    "puppy": "puppies",
    "kitty": "kitties",
    "butterfly": "butterflies",
    "brush": "brushes",
    "paintbrush": "paintbrushes",
    "fox": "foxes",
    "octopus": "octopuses",
    "tomato": "tomatoes",
    "cactus": "cactuses",
    "wolf": "wolves",
    "leaf": "leaves",
    "policeman": "policemen",
}

COLOURS: dict[str, tuple[int, int, int]] = {  # of backgrounds, sRGB
    "white": (248, 248, 248),
    "black": (22, 22, 26),
    "grey": (150, 152, 156),
    "red": (222, 48, 48),
    "orange": (247, 142, 38),
    "yellow": (250, 214, 56),
    "green": (62, 166, 84),
    "blue": (54, 110, 222),
    "purple": (134, 74, 196),
    "pink": (246, 156, 196),
}
COLOUR_NAMES = {"grey": ("grey", "gray"), "purple": ("purple", "violet"), "pink": ("pink", "rose coloured")}

PLACES: dict[str, tuple[str, ...]] = {  # how captions say where
    "night sky": ("in the night sky", "in space", "among the stars", "under a starry sky"),
    "beach": ("at the beach", "on the beach", "by the sea", "on a beach"),
    "meadow": ("on a meadow", "in a field", "on the grass", "in the countryside"),
    "city": ("in the city", "in front of a city skyline", "with a city skyline behind", "in a town"),
    "snow": ("in the snow", "in winter", "in a snowy landscape", "on snow"),
    "sky": ("in the sky", "among the clouds", "in a blue sky"),
    "countryside": (
        "in a rural landscape with a city behind",
        "on a meadow with a city in the background",
        "in the countryside with a city behind",
    ),
}
LANDSCAPES: dict[str, tuple[str, ...]] = {  # the places alone
    "night sky": ("a night sky", "a starry sky", "stars at night"),
    "beach": ("a beach", "a sandy beach by the sea"),
    "meadow": ("a meadow", "a green landscape", "a rural landscape"),
    "city": ("a city skyline", "a city", "skyscrapers"),
    "snow": ("a snowy landscape", "a winter landscape"),
    "sky": ("a blue sky with clouds", "clouds in the sky"),
    "countryside": ("a rural landscape with a city behind", "a meadow with a city in the background"),
}

STYLES: dict[str, tuple[str, ...]] = {
    "pencil sketch": ("pencil sketch", "pencil drawing"),
    "oil painting": ("oil painting", "painting in oil"),
    "pixel art": ("pixel art", "8-bit pixel art"),
    "black and white photo": ("black and white photo", "monochrome photograph"),
    "neon": ("neon sign", "neon lights"),
}

ADVICE = (
    "It is Darkroom's small demo model and draws emoji-like things: try “a hamster with a brush” or “a cat in a hat on"
    " a blue background”. For everything else, whoever runs this can add a real model: the README says how."
)

_GRAMMAR = (
    "a an the of on in at with and to by from under beneath behind beside next near left right above below over front"
    " its is are one two three four five small tiny little big large huge giant background backdrop picture drawing"
    " image photo style sitting standing flying holding drawing wearing dancing people person dancers wings tree"
    " branch landscape rural sunny starry blue sky clouds plain coloured colored colour color light dark some many"
)

_HARMLESS = (
    "very really so cute sweet nice lovely pretty beautiful cool funny happy detailed highly high quality best good"
    " realistic masterpiece art my your his her their our this that these those which who it he she they there or"
    " but as up down out off some any other please make draw paint show me us one standing looking"
)


def plural(name: str) -> str:
    """The plural of a kind's name: its last word takes the s."""
    *first, last = name.split(" ")
    return " ".join([*first, PLURALS.get(last, last + "s")])


def harmless_words() -> frozenset[str]:
    """Words without a meaning for the picture that anybody would miss: the model never saw them."""
    return frozenset(words_of(_HARMLESS))


def known_words(kinds: Iterable[Kind] = KINDS) -> frozenset[str]:
    """Every single word that captions of these kinds are made of."""
    texts = [_GRAMMAR, *COLOURS, *(name for names in COLOUR_NAMES.values() for name in names)]
    texts += [name for kind in kinds for name in kind.names]
    texts += [plural(name) for kind in kinds for name in kind.names]
    texts += [text for table in (PLACES, LANDSCAPES, STYLES) for names in table.values() for text in names]
    return frozenset(words_of(" ".join(texts)))
