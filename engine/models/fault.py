"""Every way in which something in the models folder cannot be drawn with.

    NotAModel
    ├── Missing      it is not there
    ├── Corrupt      its bytes are not what they should be
    ├── Truncated    its end is missing: a download that was cut off
    ├── Unsafe       reading it could run code
    └── WrongKind    it is whole, but no model of a family that we draw with

`str()` of each is a clause that begins with "it" or "its", or a name, and says why, without a path.
"""


class NotAModel(ValueError):
    pass


class Missing(NotAModel):
    pass


class Corrupt(NotAModel):
    pass


class Truncated(NotAModel):
    pass


class Unsafe(NotAModel):
    pass


class WrongKind(NotAModel):
    pass
