"""The models of a studio: found by id, the first by default."""

from dataclasses import replace

import pytest

from dreamina_ui.cards.models import ALLOWED_MOST, Models
from dreamina_ui.errors import CardError, InvalidInput
from tests.rig import CARD, OTHER_CARD

MODELS = Models([OTHER_CARD, CARD])


def test_a_model_is_found_by_its_id() -> None:
    """None and "" are the default; an id may have slashes and blanks around it."""
    assert MODELS.find() is MODELS.find("") is MODELS.default is OTHER_CARD
    assert MODELS.find(f" /{CARD.model_id}/ ") is CARD
    assert list(MODELS) == [OTHER_CARD, CARD]


@pytest.mark.parametrize("given", ["x", 7, True, [CARD.model_id], {"model": CARD.model_id}, CARD.title])
def test_another_model_is_refused(given: object) -> None:
    """The refusal names the models that there are."""
    with pytest.raises(InvalidInput) as caught:
        MODELS.find(given)
    assert (caught.value.field, caught.value.problem) == ("model", "not_allowed")
    assert caught.value.facts["allowed"] == f"{OTHER_CARD.model_id}, {CARD.model_id}"


def test_of_many_models_the_one_that_is_meant_is_named() -> None:
    """A sentence has no room for hundreds."""
    many = Models([replace(CARD, model_id=f"maker/model-{number:02}") for number in range(ALLOWED_MOST + 1)])
    with pytest.raises(InvalidInput) as caught:
        many.find("maker/modle-07")
    assert str(caught.value.facts["allowed"]).startswith("maker/model-07")


def test_the_version_is_that_of_the_forms() -> None:
    """Other models, another order, another field or another choice make another one; words do not."""
    changed = (
        Models([OTHER_CARD]),
        Models([CARD, OTHER_CARD]),
        Models([OTHER_CARD, replace(CARD, model_id="another/model")]),
        Models([OTHER_CARD, replace(CARD, fields=CARD.fields[::-1])]),
        Models([OTHER_CARD, replace(CARD, fields=(replace(CARD.fields[0], name="text"), *CARD.fields[1:]))]),
        Models(
            [
                OTHER_CARD,
                replace(CARD, fields=(*CARD.fields[:2], replace(CARD.fields[2], choices=(121,)), CARD.fields[3])),
            ]
        ),
    )
    described = replace(CARD, title="New", fields=tuple(replace(each, description="New") for each in CARD.fields))
    assert len({MODELS.version, *(models.version for models in changed)}) == 1 + len(changed)
    assert Models([OTHER_CARD, described]).version == MODELS.version


def test_a_studio_has_a_model_and_none_twice() -> None:
    for cards in ([], [CARD, OTHER_CARD, CARD]):
        with pytest.raises(CardError):
            Models(cards)
