"""`python -m dreamina_ui.card`: the cards that it writes, its output, and its errors."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dreamina_ui.card import commands
from dreamina_ui.cards.model_card import card_of, load_card
from dreamina_ui.errors import CardError
from dreamina_ui.runcomfy.catalogue import Catalogue, card_from, cards_of
from dreamina_ui.settings import BUNDLED_CARDS, KEY_NAMES
from tests.servers import SimulatorServer

KEY = "rc-test-key-0123456789"
CARDS = sorted((Path(__file__).parent / "cards").glob("*.json"))
SCHEMA = {"properties": {"text": {"type": "string"}}}
OTHERS: dict[str, dict[str, Any]] = {
    "maker/dialect/text-to-video": {"scale": {"type": "float", "default": 3.5}, "image_uri": {"type": "string"}},
    "maker/broken/text-to-video": {"scale": {"type": "number", "maximum": 1, "default": 3.5}},
}
"""A model in a dialect of the catalogue's, and one whose schema no studio can load."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorServer]:
    """The simulator over a socket, with four other cards."""
    folder = tmp_path_factory.mktemp("cards")
    others = [folder / f"{number}.json" for number in range(len(OTHERS))]
    for path, (model_id, properties) in zip(others, OTHERS.items(), strict=True):
        schema = {"type": "object", "properties": properties}
        path.write_text(json.dumps({"model_id": model_id, "task": "text-to-video", "input_schema": schema}))
    options = [part for path in (*CARDS, *others) for part in ("--card", str(path))]
    server = SimulatorServer(tmp_path_factory.mktemp("service"), "--token", KEY, *options)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def env(service: SimulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in KEY_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", "1")
    monkeypatch.setenv("RUNCOMFY_API_TOKEN", KEY)
    monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", service.address)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def types(*words: str) -> Result:
    return CliRunner().invoke(commands, list(words))


def refused(*words: str) -> str:
    result = types(*words)
    assert result.exit_code == 1, result.output
    assert KEY not in result.output
    [line] = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_fetch_makes_a_card_of_the_model(path: Path, env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The service's reply about a model becomes a card with the same fields; the command shows them."""
    own = load_card(path)
    result = types("fetch", own.model_id, "--to", str(tmp_path / "card.json"))
    assert result.exit_code == 0, result.output
    fetched = load_card(tmp_path / "card.json")
    # How long a frame lasts, no schema says.
    fields = tuple(replace(field, unit_s=None) for field in own.fields)
    assert (fetched.model_id, fetched.title) == (own.model_id, own.title)
    assert tuple(replace(field, unit_s=None) for field in fetched.fields) == fields
    assert all(field.name in result.stdout for field in own.fields)


def test_fetch_writes_only_what_can_be_loaded(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A dialect is read; of a schema that is refused no file is left, and a file that is there stays."""
    result = types("fetch", "maker/dialect/text-to-video", "--to", "card.json")
    assert result.exit_code == 0, result.output
    assert "scale      scale: number, default 3.5" in result.stdout
    assert "image_uri  image_uri: picture, by https address or as a file" in result.stdout
    assert json.loads((tmp_path / "card.json").read_text())["task"] == "text-to-video"
    (tmp_path / "card.json").write_text("mine")
    sentence = refused("fetch", "maker/broken/text-to-video", "--to", "card.json", "--replace")
    assert "the default of scale is outside its own limits" in sentence
    assert (tmp_path / "card.json").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_the_file_gets_the_models_name(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without `--to` the file has the model's name; an existing file is not overwritten."""
    model_id = load_card(CARDS[0]).model_id
    assert types("fetch", model_id).exit_code == 0
    path = tmp_path / (model_id.replace("/", "-") + ".json")
    path.write_text("mine")
    assert "is there already" in refused("fetch", model_id)
    assert path.read_text() == "mine"
    assert types("fetch", model_id, "--replace").exit_code == 0
    assert load_card(path).model_id == model_id


def test_fetch_errors_are_one_sentence(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An unknown model, an invalid id, a missing or a refused key is one sentence, and no file is made."""
    assert "There is no such model." in refused("fetch", "some/other")
    assert "not a model id" in refused("fetch", "a/../b")
    env.setenv("RUNCOMFY_API_TOKEN", "rc-wrong-key")
    assert "token" in refused("fetch", "some/other")
    env.delenv("RUNCOMFY_API_TOKEN")
    assert "no key is set" in refused("fetch", "some/other")
    assert "No such file" in refused_to(env, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def refused_to(env: pytest.MonkeyPatch, folder: Path) -> str:
    env.setenv("RUNCOMFY_API_TOKEN", KEY)
    return refused("fetch", load_card(CARDS[0]).model_id, "--to", str(folder / "none" / "card.json"))


@pytest.mark.parametrize(
    "reply",
    [
        {"input_schema": SCHEMA},
        {"schema": {"input": SCHEMA}},
        {"schema": {"input_schema": SCHEMA}},
        {"schema": {"type": "object", "properties": {"input": {"type": "object", **SCHEMA}}}},
        {"schema": SCHEMA},
        {"schema": json.dumps(SCHEMA)},
        {"model": {"input_schema": SCHEMA}},
        {"data": {"schema": json.dumps({"input": SCHEMA})}},
    ],
)
def test_places_of_the_schema(reply: dict[str, Any]) -> None:
    """The schema is found in several places, because the service does not document its place."""
    card = card_of("card", card_from("a/b", {"model_id": "a/b", "display_name": "B", **reply}))
    assert [field.name for field in card.fields] == ["text"]
    assert card.title == "B"


@pytest.mark.parametrize(
    "reply", [{}, {"input_schema": None}, {"schema": "not JSON"}, {"schema": []}, {"input_schema": {"type": "object"}}]
)
def test_a_reply_without_a_schema_is_one_sentence(reply: dict[str, Any]) -> None:
    """The error says to write the card by hand."""
    with pytest.raises(CardError, match="a/b holds no input schema; write the card by hand"):
        card_from("a/b", reply)


def test_check_shows_the_fields() -> None:
    """There is one line for each field: title, kind, limits and default."""
    result = types("check", str(CARDS[-1]))
    assert result.exit_code == 0
    assert "Cutter (somebody/cutter/video-to-video), 10 fields:" in result.stdout
    assert "strength     strength: number, from 0, to 1, default 0.5, or nothing (null)" in result.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a readable JSON file"),
        ("[" * 100_000, "is not a readable JSON file"),
        ('{"model_id": "m"}', "has no input_schema of type object"),
        ('{"input_schema": {"type": "object", "properties": {}}}', "has no model_id"),
        (
            '{"model_id": "m", "input_schema": {"type": "object", "properties": {"a": {"enum": [1, "1", "\\u001b[31m"]}}}}',
            "a has an enum of mixed kinds",
        ),
    ],
)
def test_check_shows_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    """An error is one sentence, with exit code 1."""
    (tmp_path / "card.json").write_text(text)
    assert words in refused("check", str(tmp_path / "card.json"))


def test_a_missing_card_is_one_sentence(tmp_path: Path) -> None:
    """A missing or unreadable file is one sentence."""
    assert "is not a readable JSON file" in refused("check", str(tmp_path / "none.json"))


def test_models_lists_what_can_be_used(env: pytest.MonkeyPatch) -> None:
    """Each model is one line, with the reason where its card cannot be used; words choose among them."""
    result = types("models")
    assert result.exit_code == 0, result.output
    *lines, last = result.stdout.splitlines()
    assert last == f"{len(CARDS) + len(OTHERS)} models, {len(CARDS) + 1} of them can be used."
    [fault] = [line for line in lines if "cannot be used" in line]
    assert fault.startswith("maker/broken/text-to-video: cannot be used: ")
    assert fault.endswith("the default of scale is outside its own limits (3.5)")
    assert types("models", "dialect").stdout.splitlines()[-1] == "1 models, 1 of them can be used."
    env.setenv("RUNCOMFY_API_TOKEN", "rc-wrong-key")
    assert "token" in refused("models")


@pytest.mark.parametrize("trouble", ["none", "away", "refused", "broken"])
def test_a_start_reads_the_cards_of_the_catalogue(service: SimulatorServer, tmp_path: Path, trouble: str) -> None:
    """They are the service's; kept for a start without it; and else the bundled ones, which always know the frames per second."""
    dreamina, dialect = (
        load_card(BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json").model_id,
        "maker/dialect/text-to-video",
    )
    kept = tmp_path / "cards"
    live = cards_of([dialect], bundled=BUNDLED_CARDS, kept=kept, catalogue=Catalogue(service.address, key=KEY))
    assert [field.kind for field in live[0].fields] == ["number", "address"]
    catalogues = {
        "none": None,
        "away": Catalogue("http://127.0.0.1:9/v1", key=KEY),
        "refused": Catalogue(service.address, key="rc-wrong-key"),
        "broken": Catalogue(service.address, key=KEY),
    }
    models: list[Path | str] = [dreamina, dialect, CARDS[0]]
    cards = cards_of(models, bundled=BUNDLED_CARDS, kept=kept, catalogue=catalogues[trouble])
    assert [card.model_id for card in cards] == [dreamina, dialect, load_card(CARDS[0]).model_id]
    assert cards[0].frames_per_second == 24
    with pytest.raises(CardError, match="nothing is known of maker/broken"):
        cards_of(["maker/broken/text-to-video"], bundled=BUNDLED_CARDS, kept=kept, catalogue=catalogues[trouble])
