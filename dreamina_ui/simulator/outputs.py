"""What a finished request has made, by what the model's card says it makes: videos, sounds, or images out of the video."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["OUTPUTS_MOST", "STILL_FRAMES", "makes_images", "makes_sounds", "outputs_of", "still"]

OUTPUTS_MOST = 16
STILL_FRAMES = 2 * OUTPUTS_MOST
"""A model of images needs a video only as long as there are different pictures to be taken from it."""
_COUNTS = ("num_images", "num_outputs", "num_videos", "batch_size", "num_audios", "n")


def makes_images(output_schema: Mapping[str, Any]) -> bool:
    names = output_schema.get("properties", {}).keys()
    return bool(names & {"image", "images"}) and not names & {"video", "videos"}


def makes_sounds(output_schema: Mapping[str, Any]) -> bool:
    names = output_schema.get("properties", {}).keys()
    return bool(names & {"audio", "audios"}) and not names & {"video", "videos", "image", "images"}


def outputs_of(output_schema: Mapping[str, Any], given: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The result's `output`. `address` is that of the video, without its ending; further videos show the same pictures."""
    names = output_schema.get("properties", {}).keys()
    asked = next((given[name] for name in _COUNTS if isinstance(given.get(name), int)), 2)
    count = min(max(asked, 1), OUTPUTS_MOST)
    if makes_images(output_schema):
        images = [f"{address}.{number}.png" for number in range(1, count + 1)]
        return {"images": images} if "images" in names else {"image": images[0]}
    if makes_sounds(output_schema):
        sounds = [f"{address}.{number}.mp3" for number in range(1, count + 1)]
        return {"audios": sounds} if "audios" in names else {"audio": sounds[0]}
    if "videos" in names and "video" not in names:
        return {"videos": [f"{address}.mp4", *(f"{address}.{number}.mp4" for number in range(2, count + 1))]}
    return {"video": f"{address}.mp4"}


def still(video: Path, number: int) -> bytes:
    """A picture of the video as PNG: for each `number`, from 1 on, another one; blocks."""
    import av

    with av.open(str(video)) as container:
        last = None
        for index, frame in enumerate(container.decode(video=0)):
            last = frame
            if index >= 2 * (number - 1):
                break
        if last is None:
            message = "the video has no picture"
            raise ValueError(message)
        held = io.BytesIO()
        last.to_image().save(held, "PNG")  # type: ignore[no-untyped-call]
    return held.getvalue()
