"""The colour that marks a person wherever vp3d shows one: in the overlay, in scenes, in viewers."""

from __future__ import annotations

# Blue, green, red, as OpenCV wants them.
Colour = tuple[int, int, int]

ACCENTS: tuple[Colour, ...] = (
    (191, 212, 45),
    (182, 114, 244),
    (53, 224, 250),
    (250, 139, 167),
    (98, 220, 134),
    (133, 113, 251),
    (221, 214, 205),
)


def accent(track_id: int) -> Colour:
    """The colour of one person; after seven they begin again."""
    return ACCENTS[(track_id - 1) % len(ACCENTS)]
