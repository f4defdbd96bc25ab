"""A program's job that continues another one: the values with that one's last frame and its prompt."""

from collections.abc import Mapping
from typing import Any

from dreamina_ui.cards.model_card import Card
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import InvalidInput
from dreamina_ui.jobs import HOLDER, Job

__all__ = ["PARENT", "continued", "model_of", "parent_of"]

PARENT = "parent"
"""The argument that names the job."""


async def parent_of(engine: Engine, job_id: Any) -> Job | None:
    """The job that is to be continued; None where none is named. Raises `InvalidInput` or `JobNotFound`."""
    if job_id is None or job_id == "":
        return None
    if not isinstance(job_id, str):
        raise InvalidInput(PARENT, "not_text", f"{PARENT}: no text", given=str(job_id)[:40])
    return await engine.job(HOLDER, job_id.strip())


def model_of(engine: Engine, model: Any, parent: Job | None) -> Card:
    """The model that is asked for; where none is and a job is continued, the one that takes a picture. Raises `InvalidInput`."""
    if parent is None or (model is not None and model != ""):
        return engine.models.find(model)
    return engine.models.taking_picture(engine.card.model_id, parent.model_id) or engine.card


async def continued(
    engine: Engine, visitor_id: str, card: Card, values: Mapping[str, Any], parent: Job, *, address: str = ""
) -> dict[str, Any]:
    """The values with the last good frame of the parent's video, and with its prompt where they have none.

    Raises `InvalidInput`, also for a model that takes no picture, and where the values name another picture.
    """
    picture = card.picture
    if picture is None:
        raise InvalidInput(PARENT, "no_picture", f"{PARENT}: {card.model_id} takes no picture")
    if values.get(picture.name):
        raise InvalidInput(PARENT, "picture_twice", f"{PARENT}: {picture.name} is given, too", meant=picture.name)
    frame = (await engine.frame(visitor_id, parent, None, picture, address=address)).text
    prompt = {card.prompt.name: parent.prompt} if card.prompt and parent.prompt else {}
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    return {**prompt, **given, picture.name: [frame] if picture.kind == "list" else frame}
