"""A GIF of a video, with a palette of its own. The video is decoded twice: all frames at once would take too much memory."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph

from dreamina_ui.media.derive.clips import Clip, Unfit
from dreamina_ui.media.derive.frames import Fitting, shown_size
from dreamina_ui.media.derive.movie import Made, decode

__all__ = ["write_gif"]

HUNDREDTH = Fraction(1, 100)
"""What a GIF counts time in."""
FRAMES_MOST = 400
"""A little more than 15 seconds at the highest rate: what a row says of a video's length need not be true."""
PALETTE_WIDTH, PALETTE_RATE = 160, 5
"""Of the frames that the palette is made for: to count the colours of all pixels would take most of the time."""


def write_gif(clip: Clip, target: Path, width: int | None, rate: int) -> Made:
    """Write a GIF of a clip that repeats for ever, with at most `rate` frames a second. Raises `Unfit`."""
    size = shown_size(clip, width)
    wanted = min(Fraction(rate), clip.rate)
    if clip.seconds * wanted > FRAMES_MOST:
        raise Unfit("too_long")
    palette = _palette(clip, shown_size(clip, min(size[0], PALETTE_WIDTH)), min(wanted, Fraction(PALETTE_RATE)))
    graph, pictures = _coloured(size, palette)
    with av.open(str(target), "w", format="gif", container_options={"loop": "0"}) as container:
        stream = container.add_stream("gif", rate=wanted.limit_denominator(1001))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "pal8"
        stream.codec_context.time_base = HUNDREDTH

        def put(frame: av.VideoFrame, time: Fraction) -> None:
            frame.pts, frame.time_base = round(time / HUNDREDTH), HUNDREDTH
            pictures.push(frame)
            _take(graph, lambda made: container.mux(stream.encode(made)))

        count = _frames(clip, size, wanted, put)
        pictures.push(None)
        _take(graph, lambda made: container.mux(stream.encode(made)))
        container.mux(stream.encode(None))
    return Made(is_copied=False, seconds=round(float(count / wanted), 3), width=size[0], height=size[1])


def _frames(clip: Clip, size: tuple[int, int], rate: Fraction, put: Callable[[av.VideoFrame, Fraction], None]) -> int:
    fitting = Fitting(clip, size, "rgb24")
    count = decode(clip, rate, lambda frame, time: put(fitting.of(frame), time))
    if not count:
        raise Unfit("unreadable", clip.number)
    return count


def _palette(clip: Clip, size: tuple[int, int], rate: Fraction) -> av.VideoFrame:
    """The colours that all frames need."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=size[0], height=size[1], format=av.VideoFormat("rgb24"), time_base=HUNDREDTH)
    step = graph.add("palettegen", "stats_mode=diff")
    sink = graph.add("buffersink")
    source.link_to(step)
    step.link_to(sink)
    graph.configure()

    def put(frame: av.VideoFrame, time: Fraction) -> None:
        frame.pts, frame.time_base = round(time / HUNDREDTH), HUNDREDTH
        source.push(frame)

    _frames(clip, size, rate, put)
    source.push(None)
    palette = sink.pull()
    assert isinstance(palette, av.VideoFrame)
    return palette


def _coloured(size: tuple[int, int], palette: av.VideoFrame) -> "tuple[Graph, av.filter.context.FilterContext]":
    """A graph that gives frames the colours of the palette, and where they go in."""
    graph = Graph()
    graph.threads = 1
    pictures = graph.add_buffer(width=size[0], height=size[1], format=av.VideoFormat("rgb24"), time_base=HUNDREDTH)
    colours = graph.add_buffer(width=palette.width, height=palette.height, format=palette.format, time_base=HUNDREDTH)
    use = graph.add("paletteuse", "dither=bayer:bayer_scale=4:diff_mode=rectangle")
    sink = graph.add("buffersink")
    pictures.link_to(use, 0, 0)
    colours.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = 0, HUNDREDTH
    colours.push(palette)
    colours.push(None)
    return graph, pictures


def _take(graph: Graph, put: Callable[[av.VideoFrame], None]) -> None:
    while True:
        try:
            made = graph.pull()
        except (BlockingIOError, EOFError, av.FFmpegError):
            return
        assert isinstance(made, av.VideoFrame)
        put(made)
