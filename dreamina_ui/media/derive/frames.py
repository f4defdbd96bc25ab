"""The frames of a video as they are shown: upright, with square pixels, and fitted into another size with bars."""

from collections.abc import Mapping
from fractions import Fraction

import av
from av.filter import Graph

from dreamina_ui.media.derive.clips import Clip

__all__ = ["Fitting", "shown_size"]

TURNS: Mapping[int, tuple[tuple[str, str], ...]] = {
    0: (("hflip", ""),),
    1: (("vflip", ""),),
    2: (("transpose", "cclock"),),
    3: (("hflip", ""), ("vflip", "")),
    4: (("transpose", "clock"),),
    5: (("transpose", "cclock_flip"),),
    6: (("transpose", "clock_flip"),),
}
"""By Pillow's numbers of what has to be done to a picture."""
ACROSS = (2, 4, 5, 6)
MATRICES: Mapping[int, str] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
"""How colours became numbers, by FFmpeg's numbers of that. What a file does not say stays as it is."""
SIDE_LEAST, SIDE_MOST = 2, 8192


def shown_size(clip: Clip, width: int | None = None) -> tuple[int, int]:
    """How large a clip is shown, in whole pairs of pixels, as encoders want them; at most `width` wide."""
    across, down = clip.look.width * clip.look.aspect, Fraction(clip.look.height)
    if clip.look.turn in ACROSS:
        across, down = down, across
    if width is not None and across > width:
        across, down = Fraction(width), down * width / across
    return _even(across), _even(down)


class Fitting:
    """Makes frames of one size and format, whatever those of a clip are."""

    def __init__(self, clip: Clip, size: tuple[int, int], format: str, matrix: int | None = None) -> None:
        self._look = clip.look
        self._size = size
        self._format = format
        is_known = clip.look.matrix in MATRICES and matrix in MATRICES
        self._colours = f":out_color_matrix={MATRICES[matrix]}" if is_known and matrix is not None else ""
        self._colours += "" if format.startswith("rgb") else ":out_range=tv"
        self._graph: Graph | None = None
        self._made_for: tuple[int, int, str] | None = None

    def of(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame, fitted. Streams may change their size in the middle."""
        made_for = frame.width, frame.height, frame.format.name
        if self._graph is None or self._made_for != made_for:
            self._graph, self._made_for = self._build(frame), made_for
        self._graph.push(frame)
        fitted = self._graph.pull()
        assert isinstance(fitted, av.VideoFrame)
        return fitted

    def _build(self, frame: av.VideoFrame) -> Graph:
        width, height = self._size
        aspect = self._look.aspect
        steps = [("scale", f"w=iw*{aspect.numerator}/{aspect.denominator}:h=ih")] if aspect != 1 else []
        steps += [("setsar", "1")]  # squares from here on
        steps += TURNS[self._look.turn] if self._look.turn is not None else ()
        fit = f"w={width}:h={height}:force_original_aspect_ratio=decrease:flags=bicubic{self._colours}"
        steps += [("scale", fit), ("pad", f"{width}:{height}:-1:-1"), ("format", self._format)]
        graph = Graph()
        graph.threads = 1
        last = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        )
        for name, arguments in [*steps, ("buffersink", "")]:
            step = graph.add(name, arguments) if arguments else graph.add(name)
            last.link_to(step)
            last = step
        graph.configure()
        return graph


def _even(side: Fraction) -> int:
    return min(SIDE_MOST, max(SIDE_LEAST, round(side / 2) * 2))
