"""The shelf: what a visitor keeps there, its table, and that it is rebuilt from the files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.cards.batches.plans import Plan
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.models import Models
from dreamina_ui.engine.curation.plain_names import plain_name
from dreamina_ui.engine.curation.shelf import SHELF_MOST, Shelf, offered_name
from dreamina_ui.errors import InvalidInput, NotOnShelf, ShelfFull
from tests.rig import CARD, VALUES, rigged

pytestmark = pytest.mark.anyio
PROMPT = 'A "paper" boat; on a river,\nseen from above, 海, <b>bold</b>'
SQUARE = "1440×1440(1:1)"


def planned(shelf: Shelf, table: str | bytes) -> Plan:
    data = table if isinstance(table, bytes) else table.encode()
    return plan_csv(
        shelf.models.default,
        data,
        {},
        models=shelf.models,
        most=SHELF_MOST,
        check_name=plain_name,
        keeps_alternatives=True,
    )


def forget(folder: Path) -> None:
    """The database's files are deleted."""
    for path in folder.glob("dreamina.sqlite3*"):
        path.unlink()


async def names(shelf: Shelf, visitor_id: str = "ann", words: str = "") -> list[str]:
    return [one.name for one in await shelf.listed(visitor_id, words)]


async def test_named_settings_are_found_by_words(tmp_path: Path) -> None:
    """In the name, the prompt or the model, in any order and case; what the model does not take is not kept."""
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        boat = await shelf.keep("ann", " Boat\n<i> ", CARD.model_id, {**VALUES, "prompt": PROMPT, "seed": 7})
        await shelf.keep("ann", "harbour", CARD.model_id, {**VALUES, "prompt": "Ships at night"})
        assert (boat.name, boat.payload["prompt"], boat.payload["seed"]) == ("Boat <i>", PROMPT, 7)
        assert await shelf.get("ann", boat.shelf_id) == boat
        assert await names(shelf) == ["Boat <i>", "harbour"]
        for words, found in (
            ("BOLD river", ["Boat <i>"]),
            ("ships HARB", ["harbour"]),
            ("boat ships", []),
            ("  ", None),
        ):
            assert await names(shelf, words=words) == (["Boat <i>", "harbour"] if found is None else found)
        assert await names(shelf, words=CARD.title.upper()) == ["Boat <i>", "harbour"]
        for name, values in (("Other", {"prompt": ""}), ("Other", {"seed": "x"}), ("BOAT <I>", {}), ("\u202e", {})):
            with pytest.raises(InvalidInput):
                await shelf.keep("ann", name, CARD.model_id, {**VALUES, **values})
        with pytest.raises(InvalidInput):
            await shelf.keep("ann", "Other", "no/such/model", VALUES)
        assert await names(shelf) == ["Boat <i>", "harbour"]


async def test_its_table_is_read_by_a_batch_and_by_another_shelf(tmp_path: Path) -> None:
    """Every value comes back as it was, with the names; the batch makes the same videos and asks nothing."""
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        kept = [
            await shelf.keep("ann", 'A "boat", 海', CARD.model_id, {**VALUES, "prompt": PROMPT, "seed": 7}),
            await shelf.keep("ann", "b", CARD.model_id, {**VALUES, "aspect_ratio": SQUARE, "frames": 241, "seed": -1}),
        ]
        table = await shelf.table("ann")
        assert table.splitlines()[0].startswith("name,prompt,")
        for text in (table, "\ufeff" + table, table.encode("utf-16")):
            plan = planned(shelf, text)
            assert (plan.problems, plan.question) == ((), None)
            assert list(plan.payloads) == [one.payload for one in kept]
        again = await shelf.take_in("bob", planned(shelf, table).videos)
        assert [(one.name, one.payload) for one in again] == [(one.name, one.payload) for one in kept]
        await shelf.take_in("bob", planned(shelf, table).videos)
        assert await names(shelf, "bob") == ['A "boat", 海', 'A "boat", 海 2', "b", "b 2"]
        assert await names(shelf) == ['A "boat", 海', "b"]


async def test_alternatives_stay_alternatives(tmp_path: Path) -> None:
    """On the shelf, in its table, on a shelf that takes that in, and in a batch, which makes each; doubled braces, too."""
    typed = "a {red|green} boat at {{dawn}}"
    long = "{" + "|".join(f"{number} {'x' * 700}" for number in range(8)) + "}"
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        for name, prompt in (("Boats", typed), ("Long", long), ("Open", "a {red boat")):
            one = await shelf.keep("ann", name, CARD.model_id, {**VALUES, "prompt": prompt})
            assert one.payload["prompt"] == prompt
        table = await shelf.table("ann")
        taken = await shelf.take_in("bob", planned(shelf, table).videos)
        assert [one.payload["prompt"] for one in taken] == [typed, long, "a {red boat"]
        assert await shelf.table("bob") == table
        batch = plan_csv(shelf.models.default, table.encode(), {}, models=shelf.models)
        assert [each["prompt"] for each in batch.payloads][:2] == ["a red boat at {dawn}", "a green boat at {dawn}"]
        assert len(batch.videos) == 2 + 8 + 1
        too_long = "{a|" + "x" * 20_000 + "}"
        for prompt in ("x" * 801, "{" + "x" * 801 + "|b}", too_long):
            with pytest.raises(InvalidInput) as caught:
                await shelf.keep("ann", "Other", CARD.model_id, {**VALUES, "prompt": prompt})
            assert (caught.value.field, caught.value.problem) == ("prompt", "too_long")


async def test_a_table_of_others_is_taken_in(tmp_path: Path) -> None:
    """Without names, rows are called by their prompts; a wrong row is named by its line, and nothing is taken in."""
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        plan = planned(
            shelf,
            "prompt;seed\nA very long prompt about a paper boat on a river;1\nA very long prompt about a paper boat\n",
        )
        await shelf.take_in("ann", plan.videos)
        assert await names(shelf) == [
            "A very long prompt about a paper boat",
            "A very long prompt about a paper boat 2",
        ]
        wrong = planned(shelf, "Name,prompt,seed\nGood,A boat,1\nBad,A boat,one\n")
        assert [(each.line, each.field) for each in wrong.problems] == [(3, "seed")]
        assert wrong.videos == ()
        wrong = planned(shelf, f"name,prompt,seed\nGood,A boat,1\n{'x' * 81},A boat,2\n,A boat,3\n\u202e,A boat,one\n")
        found = [(each.line, each.field, each.problem) for each in wrong.problems]
        assert found == [(3, "name", "too_long"), (5, "name", "missing"), (5, "seed", "not_integer")]
        many = "prompt\n" + "A boat\n" * SHELF_MOST
        assert len(planned(shelf, many).videos) == SHELF_MOST
        with pytest.raises(ShelfFull):
            await shelf.take_in("ann", planned(shelf, many).videos)
        assert [each.problem for each in planned(shelf, many + "One more\n").problems] == ["too_many"]
        assert len(await names(shelf)) == 2


async def test_the_table_of_a_model_that_is_gone_says_so(tmp_path: Path) -> None:
    """The shelf keeps what was made for another model, and its table names it, so that another studio can read it."""
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        one = await shelf.keep("ann", "Boat", CARD.model_id, VALUES)
        await shelf.store.add(
            [replace(one, shelf_id="0" * 32, name="Old", model_id="gone/model", payload={"text": "x"})]
        )
        table = await shelf.table("ann")
        assert table.splitlines()[0].startswith("name,model,")
        assert [each.line for each in planned(shelf, table).problems] == [3]
        assert Models([CARD]).column_of_names == "name"


async def test_a_lost_database_loses_nothing_of_it(tmp_path: Path) -> None:
    """Names, settings and owner come back, also of a visitor who has become another one; what was deleted does not."""
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        boat = await shelf.keep("ann", "Boat", CARD.model_id, {**VALUES, "prompt": PROMPT})
        gone = await shelf.keep("ann", "Gone", CARD.model_id, VALUES)
        back = await shelf.keep("ann", "Back", CARD.model_id, VALUES)
        await shelf.rename("ann", boat.shelf_id, "Ship")
        await shelf.delete("ann", gone.shelf_id)
        await shelf.delete("ann", back.shelf_id)
        await shelf.put_back("ann", back.shelf_id)
        assert await rig.engine.history.follow("ann", "carl")
        assert await names(shelf, "carl") == ["Back", "Ship"]
    forget(tmp_path)
    (tmp_path / "shelf" / f"{'0' * 32}.sealed").write_text("no line of ours")
    for _ in range(2):  # the second start finds the rows
        async with rigged(tmp_path) as again:
            assert await names(again.engine.shelf, "carl") == ["Back", "Ship"]
            assert (await again.engine.shelf.get("carl", boat.shelf_id)).payload == boat.payload
            assert await names(again.engine.shelf) == []


async def test_a_failing_disk_does_not_stop_the_shelf(tmp_path: Path) -> None:
    """Where nothing can be kept beside the videos, it is in the database all the same."""
    async with rigged(tmp_path) as rig:
        (tmp_path / "shelf").write_text("a file in the folder's place")
        await rig.engine.shelf.keep("ann", "Boat", CARD.model_id, VALUES)
        assert await names(rig.engine.shelf) == ["Boat"]


async def test_another_visitors_shelf_is_not_found(tmp_path: Path) -> None:
    """By ann's ids and by values of any kind, bob reads and changes nothing."""
    async with rigged(tmp_path) as rig:
        shelf = rig.engine.shelf
        one = await shelf.keep("ann", "Only ann's", CARD.model_id, VALUES)
        gone = await shelf.keep("ann", "Gone", CARD.model_id, VALUES)
        await shelf.delete("ann", gone.shelf_id)
        odd: list[Any] = [one.shelf_id, gone.shelf_id, None, 7, [], {"a": 1}, "", "nope", "\0", "\ud800", "x" * 10_000]
        for this in odd:
            for ask in (
                shelf.get("bob", this),
                shelf.rename("bob", this, "Mine"),
                shelf.delete("bob", this),
                shelf.put_back("bob", this),
            ):
                with pytest.raises(NotOnShelf) as refused:
                    await ask
                assert (refused.value.message, refused.value.facts) == ("", {})
        assert await names(shelf, "bob") == []
        assert "Only" not in await shelf.table("bob")
        assert await shelf.get("ann", one.shelf_id) == one


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A boat", "A boat"),
        ("A paper boat on a river, seen from above, at dawn", "A paper boat on a river, seen from"),
        ("x" * 100, "x" * 40),
        ("  two\nlines ", "two lines"),
        ("\u202e\u200b", ""),
        ("", ""),
    ],
)
def test_a_name_is_offered_from_the_prompt(prompt: str, name: str) -> None:
    """Its first words, on one line."""
    assert offered_name({"prompt": prompt}) == name
