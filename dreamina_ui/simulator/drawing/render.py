"""Render one simulated video: a JSON job on stdin, an MP4 at the job's path.

Run as ``python -m dreamina_ui.simulator.drawing.render`` it is a process of its own, at low priority, so that drawing
never slows the studio. Exit code 0, or 1 with one line on stderr.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

# One core is enough: the others are the page's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from av import VideoFrame

from dreamina_ui.simulator.drawing.canvas import Array, Setting, view_at
from dreamina_ui.simulator.drawing.caption import Lettering
from dreamina_ui.simulator.drawing.frame import Bloom, Finish, Grain, Planes
from dreamina_ui.simulator.drawing.pictures import is_picture
from dreamina_ui.simulator.drawing.prompt_words import read_prompt
from dreamina_ui.simulator.drawing.sound import Wave, compose, sound_of
from dreamina_ui.simulator.files import Unreadable
from dreamina_ui.simulator.media import write_mp4
from dreamina_ui.simulator.scenes import build_scene
from dreamina_ui.simulator.scenes.particles import weather

if TYPE_CHECKING:
    from dreamina_ui.simulator.drawing.reel import Reel

__all__ = ["Drawing", "RenderJob", "main", "render"]


_CAPTION_FADE_S = 0.4
_MEMORY_MOST, _CPU_MOST_S = 6 * 2**30, 1800
"""Bytes of addresses, many times what a video takes; and seconds, as many times its longest."""


@dataclass(frozen=True)
class RenderJob:
    """What to render: sizes in pixels (even), how many frames, and the seed of the composition.

    `media` are the paths of pictures, clips and sounds that the video is made from. If it `adapts`, width and height only say how
    many pixels it has, and its shape is that of the first picture or clip.
    """

    prompt: str
    width: int
    height: int
    frames: int
    frames_per_second: int
    seed: int
    media: tuple[str, ...] = ()
    adapts: bool = False
    has_sound: bool = False

    def __post_init__(self) -> None:
        if self.width < 32 or self.height < 32 or self.width % 2 or self.height % 2:
            raise ValueError(f"width and height must be even and at least 32, not {self.width}x{self.height}")
        if self.frames < 1 or self.frames_per_second < 1:
            raise ValueError("a video needs at least one frame and one frame per second")

    @classmethod
    def from_json(cls, job: Mapping[str, Any]) -> "RenderJob":
        """Parse a job; ValueError, TypeError or KeyError if it is not one."""
        names = ("width", "height", "frames", "frames_per_second", "seed")
        width, height, frames, frames_per_second, seed = (int(job[name]) for name in names)
        media = tuple(map(str, job.get("media", ())))
        adapts, has_sound = bool(job.get("adapts", False)), bool(job.get("has_sound", False))
        prompt = str(job["prompt"])
        return cls(prompt, width, height, frames, frames_per_second, seed, media, adapts, has_sound)


class Drawing:
    """Draws the frames of a job. A frame depends on its number alone."""

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        reading = read_prompt(job.prompt, job.seed)
        self._setting = Setting(job.width, job.height, job.frames / job.frames_per_second, reading, job.seed)
        self._scene = build_scene(self._setting)
        self._canvas = canvas = self._scene.canvas
        self._strips = canvas.strips() if self._scene.in_strips else [canvas]
        self._bloom = Bloom(canvas, self._scene.bloom)
        # With a fast camera fewer frames can be blended.
        calm = reading.camera.kind in ("drift", "macro", "still")
        self._stride = self._scene.stride if calm else max(1, self._scene.stride // 2)
        self._paintings: dict[int, Array] = {}
        self._weather = weather(self._setting, canvas)
        self._lettering = Lettering(job.prompt, job.width, job.height)
        self._dim = self._lettering.scrim(canvas.width, canvas.height)
        self._grain = Grain(job.width, job.height)
        self._finish = Finish(self._canvas, self._setting, self._dim)

    def frame(self, number: int) -> VideoFrame:
        """The frame of that number, in yuv420p."""
        t = number / self._job.frames_per_second
        first, rest = divmod(number, self._stride)
        before = self._painting(first)
        after = self._painting(first + 1) if rest else before
        frame: VideoFrame = self._finish.enlarge(before, after, rest / self._stride)
        planes = Planes(frame)
        self._scene.details(planes, t)
        if self._weather:
            view = view_at(self._setting.reading.camera, t, self._setting.duration)
            self._weather.draw(planes, view, t, (0.90, 0.94, 1.0))
        self._grain.add(planes)
        # Towards the end the caption goes, so that it is not in the picture that another video begins with.
        left_s = self._setting.duration - t - 1.5 / self._job.frames_per_second
        self._lettering.draw(planes.y, planes.u, planes.v, caption=min(max(left_s / _CAPTION_FADE_S, 0.0), 1.0))
        return frame

    def _painting(self, number: int) -> Array:
        """The light of frame `number * stride`; the last two are kept, between which frames are blended."""
        if number not in self._paintings:
            self._paintings = {
                kept: self._paintings[kept] for kept in (number - 1, number + 1) if kept in self._paintings
            }
            self._paintings[number] = self._paint(number * self._stride / self._job.frames_per_second)
        return self._paintings[number]

    def _paint(self, t: float) -> Array:
        painted = np.empty((3, self._canvas.height, self._canvas.width), dtype=np.float32)
        for strip in self._strips:
            painted[:, strip.rows] = self._scene.paint(strip, t)
        self._bloom.add(painted)
        return painted


def render(job: RenderJob | Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Render a job, or its JSON object, to `path`. The file appears only when it is complete."""
    if not isinstance(job, RenderJob):
        job = RenderJob.from_json(job)
    if job.adapts and job.media:
        from dreamina_ui.simulator.drawing.reel import shape_of

        width, height = shape_of(job.media, job.width, job.height)
        job = replace(job, width=width, height=height)
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        draw = _drawing(job).frame
        write_mp4(unfinished, draw, job.frames, job.width, job.height, job.frames_per_second, _sound(job))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _drawing(job: RenderJob) -> "Drawing | Reel":
    """Of what is given; of the prompt alone where nothing of it can be seen."""
    if job.media:
        from dreamina_ui.simulator.drawing.reel import Reel

        reading = read_prompt(job.prompt, job.seed)
        setting = Setting(job.width, job.height, job.frames / job.frames_per_second, reading, job.seed)
        if reel := Reel(setting, job.prompt, job.media, job.frames_per_second):
            return reel
    return Drawing(job)


def _sound(job: RenderJob) -> Wave | None:
    """The first sound that is given, a clip's own one included; else a piece of music."""
    if not job.has_sound:
        return None
    seconds = job.frames / job.frames_per_second
    given = (sound_of(path, seconds) for path in job.media if not is_picture(path))
    found = next((sound for sound in given if sound is not None), None)
    return compose(job.prompt, job.seed, seconds) if found is None else found


def _limit() -> None:
    """Limit memory and processor time, where the system can: files that come with a request may be hostile."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_AS, _MEMORY_MOST), (resource.RLIMIT_CPU, _CPU_MOST_S)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> int:
    """Read one job from stdin and render it; the exit code."""
    if hasattr(os, "nice"):
        os.nice(10)
    try:
        job = json.loads(sys.stdin.buffer.read())
        render(job, job["path"])
    except Unreadable as error:
        print(str(error).replace("\n", " "), file=sys.stderr)  # noqa: T201
        return 1
    except Exception as error:  # the parent reads one line, whatever went wrong
        print(f"render failed: {type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    _limit()
    sys.exit(main())
