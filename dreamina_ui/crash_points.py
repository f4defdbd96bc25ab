"""Named points in the course of a job. Tests kill the process at each of them."""

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
    "before_poster",
    "after_poster",
)


async def unobserved(point: str) -> None:
    """Do nothing: the observer outside of tests."""
