"""The steps of a job's way at which a program can die, each in its own way. Tests kill it at every one."""

__all__ = ["POINTS", "unobserved"]

POINTS = (
    "after_click",
    "after_intent",
    "before_post",
    "after_post_before_id",
    "after_id",
    "after_in_progress",
    "after_saving",
    "mid_download",
    "before_rename",
    "after_rename",
    "after_succeeded",
)


async def unobserved(point: str) -> None:
    """Nobody waits at the points."""
