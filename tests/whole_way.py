"""A way from a picture to a GIF, which the page, programs and agents can go: what has to come out of it."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

__all__ = ["MODEL", "PROMPTS", "REFERENCES", "alike", "expect_one_way", "frames", "picture"]

REFERENCES = Path(__file__).parent / "references-card.json"
MODEL = "somebody/references/reference-to-video"
"""Its videos are small."""
PROMPTS = ("The sea at dusk", "The waves grow", "A boat comes")


def picture() -> bytes:
    """Red on the left, blue on the right, with the video's proportions."""
    pixels = np.zeros((192, 320, 3), np.uint8)
    pixels[:, :160, 0] = pixels[:, 160:, 2] = 200
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def frames(content: bytes) -> list[Any]:
    with av.open(io.BytesIO(content), mode="r") as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def alike(one: Any, other: Any) -> bool:
    """Whether two frames of one size show the same, as far as a codec keeps it."""
    return bool(abs(one - other).mean() < 12)


def expect_one_way(parts: list[list[Any]], joined: list[Any], gif: list[Any]) -> None:
    """The first part begins with the picture, each other with the end of the one before; joined they are all there, in order."""
    with Image.open(io.BytesIO(picture())) as given:
        begin = np.asarray(given.convert("RGB").resize((160, 96)), int)
    assert [len(part) for part in parts] == [9, 9, 9]
    assert alike(parts[0][0], begin)
    assert not alike(parts[0][-1], 255 - begin)
    for earlier, later in pairwise(parts):
        assert alike(later[0], earlier[-1])
    assert len(joined) == 27
    assert all(
        alike(one, other) for one, other in zip(joined, [frame for part in parts for frame in part], strict=True)
    )
    assert len(gif) > 1
    assert alike(gif[0], parts[2][0])
