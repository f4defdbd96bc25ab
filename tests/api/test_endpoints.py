"""The endpoints as programs use them, and the studio against a service behind a real socket."""

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import jsonschema
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from dreamina_ui.cards.model_card import load_card
from dreamina_ui.settings import BUNDLED_CARDS
from tests.media.files import make
from tests.rig import OTHER_CARD, make_clip
from tests.servers import ROOT, Server, SimulatorServer, wait_for

KEY = "rc-test-key-0123456789"
OTHER = ROOT / "tests" / "other-card.json"
PICTURES = BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json"
PICTURE_MODEL = load_card(PICTURES).model_id
TEXT = "data:image/png;base64,YSByZW5hbWVkIHRleHQ="
CARDS = (BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json", OTHER, PICTURES)
JOB_FIELDS = [
    *("job_id", "share_id", "state", "request_id", "queue_position", "message", "error"),
    *("prompt", "aspect_ratio", "frames", "seed", "created_at", "finished_at", "elapsed_s", "eta_s"),
    *("width", "height", "duration_s", "cost_usd", "backend", "cancel_requested", "model_id", "settings"),
    *("ancestors", "files", "remarks", "starred"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorServer]:
    """The simulator over a socket, with a key, a price, and a ready clip instead of rendering."""
    folder = tmp_path_factory.mktemp("service")
    clip = make_clip(folder / "clip.mp4")
    cards = [part for card in CARDS for part in ("--card", str(card))]
    # A job is polled for the first time half a second after its POST, and then once a second: it is done by the first poll.
    times = ("--queue", "0.3", "--quick", "0.1", "--slots", "4")
    server = SimulatorServer(folder, "--token", KEY, *times, "--clip", str(clip), "--price", "0.05", *cards)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, service: SimulatorServer) -> Iterator[Server]:
    """The studio with a key and three models: to it, the simulator over a socket is RunComfy."""
    service_settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": service.address}
    models = ", ".join(map(str, CARDS))
    server = Server(tmp_path_factory.mktemp("studio"), DREAMINA_MODELS=models, **service_settings)
    server.start()
    yield server
    server.stop()
    assert KEY not in server.log
    assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def client(studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(studio.address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def cookie_of(studio: Server) -> dict[str, str]:
    """The header of a new visitor."""
    with urllib.request.urlopen(studio.address) as reply:
        return {"Cookie": reply.headers["Set-Cookie"].split(";")[0]}


def ledger(service: SimulatorServer) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = service.control("ledger", KEY)["requests"]
    return requests


def ended(client: Client, job: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """What `/job` answers when the job has ended."""

    def answer() -> Any:
        found = client.predict(job_id=job["job_id"], api_name="/job")
        return found if found[0]["finished_at"] else None

    found: tuple[dict[str, Any], Any] = wait_for(answer)
    return found


def test_generate_streams_each_state_and_the_video(client: Client, service: SimulatorServer) -> None:
    """`/generate` streams each state, and at the end a file that plays; the service charged once."""
    before = len(ledger(service))
    service.control("faults", KEY, {"on": "status", "kind": "other_word", "word": "in_progress", "times": 1})
    answers = list(client.submit(prompt="a lighthouse", seed=11, api_name="/generate"))
    states = [job["state"] for job, _ in answers]
    assert states[-1] == "succeeded"
    assert {"in_queue", "in_progress"} <= set(states)
    job, video = answers[-1]
    assert list(job) == JOB_FIELDS
    assert (job["seed"], job["backend"], job["error"]) == (11, "runcomfy", None)
    assert all(file is None for _, file in answers[:-1])
    path = video if isinstance(video, str) else video["path"]
    with av.open(path) as container:
        assert container.streams.video[0].width == job["width"] == 64
    made = ledger(service)[before:]
    assert [request["input"]["prompt"] for request in made] == ["a lighthouse"]


def test_submit_then_job(client: Client) -> None:
    """`/submit` answers at once; `/job` returns the status, and the video at the end."""
    job = client.predict(prompt="a lighthouse", api_name="/submit")
    jsonschema.validate(job, json.loads((ROOT / "docs" / "job.schema.json").read_text(encoding="utf-8")))
    assert job["state"] == "waiting"
    assert job["seed"] >= 0
    current, video = ended(client, job)
    assert current["state"] == "succeeded"
    assert current["cost_usd"] is not None
    assert video


def test_cancel_ends_a_queued_job(client: Client) -> None:
    """`/cancel` of a job in the queue ends it as cancelled."""

    def is_cancelled() -> bool:
        job = client.predict(prompt="a lighthouse", api_name="/submit")
        asked = client.predict(job_id=job["job_id"], api_name="/cancel")
        state = ended(client, job)[0]["state"]
        if state == "succeeded":
            return False
        assert (asked["cancel_requested"], state) == (True, "cancelled")
        return True

    wait_for(is_cancelled)  # on a busy machine a job may leave the queue before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt": ""}, "prompt: please describe the video"),
        ({"prompt": "x" * 801}, "prompt: 801 characters, at most 800."),
        ({"prompt": "x", "aspect_ratio": "2:1"}, "aspect_ratio: “2:1” is not one of"),
        ({"prompt": "x", "frames": 120}, "frames: 120 is not one of 121, 241."),
        ({"prompt": "x", "seed": 1.5}, "seed: 1.5 is not a whole number."),
        ({"prompt": "x", "seed": "abc"}, "seed: “abc” is not a whole number."),
    ],
)
def test_bad_values_are_one_sentence(
    client: Client, service: SimulatorServer, values: dict[str, Any], words: str
) -> None:
    """A value outside the card gets one sentence as its error, and nothing is sent."""
    before = len(ledger(service))
    with pytest.raises(AppError) as caught:
        client.predict(**values, api_name="/submit")
    assert words in json.loads(str(caught.value))["message"]
    assert len(ledger(service)) == before


def test_unknown_jobs_are_one_sentence(client: Client) -> None:
    """An unknown job id gets one sentence as its error, on every endpoint that takes one."""
    for name in ("/job", "/cancel"):
        with pytest.raises(AppError, match="There is no such video"):
            client.predict(job_id="nope", api_name=name)


def test_history_is_the_visitors_own(studio: Server) -> None:
    """A program with a visitor cookie sees that visitor's jobs, and no one else's."""
    ann, bob = (Client(studio.address, verbose=False, headers=cookie_of(studio)) for _ in range(2))
    job = ann.predict(prompt="mine", api_name="/submit")
    assert [listed["job_id"] for listed in ann.predict(api_name="/history")] == [job["job_id"]]
    assert bob.predict(api_name="/history") == []


def test_stars_and_collections_of_programs(studio: Server) -> None:
    """A program stars, collects, lists and shares what is its visitor's; another visitor neither reads nor changes any of it."""

    def new_client() -> Client:
        with urllib.request.urlopen(studio.address) as reply:
            headers = {"Cookie": reply.headers["Set-Cookie"].split(";")[0]}
        return Client(studio.address, verbose=False, headers=headers, download_files=False)

    def status_of(path: str) -> int:
        return httpx.get(f"{studio.address}{path}").status_code

    def problem(client: Client, endpoint: str, **values: Any) -> dict[str, Any]:
        with pytest.raises(AppError) as caught:
            client.predict(api_name=endpoint, **values)
        found: dict[str, Any] = json.loads(str(caught.value))
        return found

    ann, bob = new_client(), new_client()
    ids = []
    for seed in (1, 2):
        *_, (job, _) = ann.submit(prompt=f"boat {seed}", seed=seed, api_name="/generate")
        ids.append(job["job_id"])
    assert not job["starred"]
    assert ann.predict(job_id=ids[0], api_name="/star")["starred"]
    assert [job["job_id"] for job in ann.predict(starred=True, api_name="/history")] == ids[:1]
    assert not ann.predict(job_id=ids[0], starred="no", api_name="/star")["starred"]
    assert ann.predict(starred=True, api_name="/history") == []
    assert problem(ann, "/star", job_id=ids[0], starred="maybe")["field"] == "starred"
    assert problem(ann, "/star", job_id="nope")["code"] == "job_not_found"

    best = ann.predict(name="Best <b>", job_ids=ids[::-1], api_name="/collect")
    this = best["collection_id"]
    assert best == {"collection_id": this, "name": "Best <b>", "videos": 2, "url": None}
    assert ann.predict(api_name="/collections") == [best]
    assert [job["job_id"] for job in ann.predict(collection_id=this, api_name="/history")] == ids[::-1]
    for values, field in (
        ({"name": "x" * 5000, "job_ids": ids}, "name"),
        ({"name": None, "job_ids": ids}, "name"),
        ({"name": "Best", "job_ids": "all"}, "job_ids"),
    ):
        assert problem(ann, "/collect", **values)["field"] == field
    # Job ids take 35 bytes each: more than fit into a collection do not fit into a call either.
    assert problem(ann, "/collect", name="Many", job_ids=["j"] * 1001)["code"] == "collection_full"

    shared = ann.predict(collection_id=this, api_name="/share_collection")
    assert status_of(shared["url"]) == 200
    show = shared["url"].replace("/collection/", "/show/")
    shown = httpx.get(f"{studio.address}{show}").text
    assert re.findall(r'data-name="(boat \d)', shown) == ["boat 2", "boat 1"]
    assert status_of(f"/dreamina/zip?collection={shared['url'].rpartition('/')[2]}") == 200
    assert problem(bob, "/share_collection", collection_id=this, shared=False)["code"] == "collection_not_found"
    assert problem(bob, "/history", collection_id=this)["code"] == "collection_not_found"
    assert problem(bob, "/collect", name="Mine", job_ids=ids)["code"] == "job_not_found"
    assert bob.predict(api_name="/collections") == []
    assert ann.predict(api_name="/collections") == [shared]
    assert ann.predict(collection_id=this, shared=False, api_name="/share_collection") == best
    for gone in (
        shared["url"],
        show,
        f"/show/{this}",
        f"/collection/{this}",
        "/collection/nope",
        f"/collection/{'0' * 32}",
    ):
        assert status_of(gone) == 404
    assert status_of(f"/dreamina/zip?collection={shared['url'].rpartition('/')[2]}") == 404


def test_every_model_of_the_studio_runs(client: Client, service: SimulatorServer) -> None:
    """`/models` lists the models with schema and price; `/run` makes a video with the one that is named, or the default one."""
    listed = client.predict(api_name="/models")
    assert [(model["model_id"], model["is_default"]) for model in listed] == [
        ("bytedance/dreamina-3-0/pro/text-to-video", True),
        (OTHER_CARD.model_id, False),
        (load_card(PICTURES).model_id, False),
    ]
    assert listed[1]["input_schema"] == OTHER_CARD.source["input_schema"]
    assert listed[0]["price_usd"] == pytest.approx(0.05 * 121 / 24)
    before = len(ledger(service))
    *_, (job, video) = client.submit(
        model=OTHER_CARD.model_id, settings={"text": "a boat", "steps": 3}, api_name="/run"
    )
    assert (job["state"], job["model_id"], job["settings"]["steps"]) == ("succeeded", OTHER_CARD.model_id, 3)
    assert video
    job, _ = client.predict(model="", settings={"prompt": "a lighthouse"}, api_name="/run")
    assert job["model_id"] == listed[0]["model_id"]
    made = ledger(service)[before:]
    assert [request["model_id"] for request in made][:1] == [OTHER_CARD.model_id]


@pytest.mark.parametrize(
    ("model", "settings", "field", "words"),
    [
        ("nobody/nothing", {"text": "x"}, "model", "“nobody/nothing” is not one of bytedance/dreamina"),
        (7, {"text": "x"}, "model", "model: 7 is not one of"),
        (OTHER_CARD.model_id, {"prompt": "x"}, "prompt", "prompt: this model has no such field."),
        (OTHER_CARD.model_id, {"text": "x", "steps": 51}, "steps", "steps: 51, at most 50."),
        (OTHER_CARD.model_id, "a boat", "settings", "settings: “a boat” is no object of settings by their names."),
        (OTHER_CARD.model_id, None, "settings", "settings: null is no object of settings by their names."),
        (PICTURE_MODEL, {"prompt": "x", "image_urls": ["not a url"]}, "image_urls", "begins with https://"),
        (PICTURE_MODEL, {"prompt": "x", "image_urls": ["file:///a.png"]}, "image_urls", "a file of a computer"),
        (PICTURE_MODEL, {"prompt": "x", "image_urls": ["https://10.0.0.1/a.png"]}, "image_urls", "or its network"),
        (PICTURE_MODEL, {"prompt": "x", "image_urls": []}, "image_urls", "image_urls"),
        (PICTURE_MODEL, {"prompt": "x", "image_urls": [TEXT, TEXT]}, "image_urls", "neither a picture"),
    ],
)
def test_bad_calls_of_run_are_one_sentence(
    client: Client, service: SimulatorServer, model: object, settings: object, field: str, words: str
) -> None:
    """Neither an unknown model nor settings of another one are sent."""
    before = len(ledger(service))
    with pytest.raises(AppError) as caught:
        client.predict(model=model, settings=settings, api_name="/run")
    problem = json.loads(str(caught.value))
    assert (problem["code"], problem["field"]) == ("invalid_input", field)
    assert words in problem["message"]
    assert len(ledger(service)) == before


def test_videos_are_joined_and_exported(client: Client, studio: Server, tmp_path: Path) -> None:
    """`/join` and `/export` make a file, free of charge, and name its download; a bad value is one error."""
    jobs = [list(client.submit(prompt="a lighthouse", seed=seed, api_name="/generate"))[-1][0] for seed in (1, 2)]
    joined = client.predict(job_ids=[job["job_id"] for job in jobs], api_name="/join")
    assert joined["url"] == f"/dreamina/join?job={jobs[0]['share_id']}&job={jobs[1]['share_id']}"
    assert (joined["is_copied"], joined["seconds"], joined["media_type"]) == (True, 1.0, "video/mp4")
    part = client.predict(job_id=jobs[0]["job_id"], format="gif", to_s=0.25, width=32, api_name="/export")
    assert (part["width"], part["seconds"], part["name"].split(".", 1)[1]) == (32, 0.267, "25.gif")
    for made in (joined, part):
        with urllib.request.urlopen(studio.address.rstrip("/") + made["url"]) as reply:
            content = reply.read()
        assert len(content) == made["size"]
    assert content[:3] == b"GIF"
    for endpoint, values, code in (
        ("/join", {"job_ids": []}, "invalid_input"),
        ("/join", {"job_ids": [jobs[0]["job_id"], "0" * 32]}, "job_not_found"),
        ("/export", {"job_id": "0" * 32}, "job_not_found"),
        ("/export", {"job_id": jobs[0]["job_id"], "from_s": 0.3, "to_s": 0.2}, "invalid_input"),
        ("/export", {"job_id": jobs[0]["job_id"], "from_s": 0.49, "to_s": 0.495}, "not_made"),
    ):
        with pytest.raises(AppError) as refused:
            client.predict(**values, api_name=endpoint)
        assert json.loads(str(refused.value))["code"] == code


def test_a_batch_has_a_model_for_each_row(studio: Server, service: SimulatorServer, tmp_path: Path) -> None:
    """All videos are started at once, in order, each with the model of its row or the one for all; a picture may be uploaded.

    The same `Idempotency-Key` gives the same jobs; with other rows, or other models, it is refused.
    """
    program = Client(
        studio.address, verbose=False, headers={**cookie_of(studio), "Idempotency-Key": "a batch of programs 1"}
    )
    picture = handle_file(str(make("png", tmp_path / "fox.png")))
    rows: list[dict[str, Any]] = [
        {"text": "a boat", "steps": 3},
        {"model": load_card(PICTURES).model_id, "prompt": "a fox", "image_urls": [picture]},
        {"model": "bytedance/dreamina-3-0/pro/text-to-video", "prompt": "a kite", "frames": "10 s"},
    ]
    before = len(ledger(service))
    jobs = program.predict(rows=rows, model=OTHER_CARD.model_id, api_name="/batch")
    assert [job["model_id"] for job in jobs] == [
        OTHER_CARD.model_id,
        load_card(PICTURES).model_id,
        "bytedance/dreamina-3-0/pro/text-to-video",
    ]
    assert [job["settings"].get("steps", job["frames"]) for job in jobs] == [3, 121, 241]
    assert jobs[1]["settings"]["image_urls"][0].startswith("upload:fox.png#")
    again = program.predict(rows=rows, model=OTHER_CARD.model_id, api_name="/batch")
    assert [job["job_id"] for job in again] == [job["job_id"] for job in jobs]
    for other in ([{**rows[0], "steps": 4}, *rows[1:]], [rows[2]]):
        with pytest.raises(AppError) as caught:
            program.predict(rows=other, model=OTHER_CARD.model_id, api_name="/batch")
        assert json.loads(str(caught.value))["field"] == "idempotency_key"
    listed = program.predict(api_name="/history")
    assert {job["job_id"] for job in listed} == {job["job_id"] for job in jobs}
    wait_for(lambda: all(program.predict(job_id=job["job_id"], api_name="/job")[0]["finished_at"] for job in jobs))
    made = ledger(service)[before:]
    assert sorted(request["model_id"] for request in made) == sorted(job["model_id"] for job in jobs)


def test_a_batch_takes_an_address_for_news(client: Client, service: SimulatorServer) -> None:
    """A bad one is one sentence about its field, and nothing is sent."""
    before = len(ledger(service))
    for webhook, words in (("http://a.example.com/", "begins with https://"), ("https://10.0.0.1/", "told nothing")):
        with pytest.raises(AppError) as caught:
            client.predict(rows=[{"prompt": "x"}], model="", webhook=webhook, api_name="/batch")
        problem = json.loads(str(caught.value))
        assert (problem["code"], problem["field"]) == ("invalid_input", "webhook")
        assert words in problem["message"]
    assert len(ledger(service)) == before
    [job] = client.predict(rows=[{"prompt": "x"}], webhook="https://hooks.example/ann", api_name="/batch")
    assert job["state"] == "waiting"


@pytest.mark.parametrize(
    ("rows", "model", "field", "words"),
    [
        (
            [{"prompt": "x"}, {"prompt": "y", "frames": 7}],
            "",
            "rows[1].frames",
            "rows[1].frames: 7 is not one of 121, 241.",
        ),
        ([{"prompt": "x", "model": "nobody"}], "", "rows[0].model", "rows[0].model: “nobody” is not one of bytedance"),
        ([{"prompt": "x"}], OTHER_CARD.model_id, "rows[0].prompt", "rows[0].prompt: this model has no such field."),
        ([{"prompt": "x"}], "nobody", "model", "model: “nobody” is not one of"),
        ([{"prompt": "x"}, "y"], "", "rows[1]", "rows[1]: “y” is no object"),
        ("x", "", "rows", "rows: “x” is not a list."),
        ([], "", "rows", "rows: 0 entries, at least 1."),
        ([{"prompt": "x"}] * 201, "", "rows", "rows: 201 entries, at most 200."),
        ([{"prompt": "x" * 4000}] * 20, "", "rows[0].prompt", "4,000 characters, at most 800."),
        ([{"prompt": "x" * 4000}] * 400, "", None, "1200"),
    ],
)
def test_bad_batches_are_one_sentence(
    client: Client, service: SimulatorServer, rows: Any, model: str, field: str | None, words: str
) -> None:
    """It names the row, and nothing of the batch is sent; as much may come as in the page's batch."""
    before = len(ledger(service))
    with pytest.raises((AppError, httpx.HTTPStatusError)) as caught:
        client.predict(rows=rows, model=model, api_name="/batch")
    if field is None:
        assert isinstance(caught.value, httpx.HTTPStatusError)
        assert caught.value.response.status_code == 413
    else:
        problem = json.loads(str(caught.value))
        assert (problem["code"], problem["field"]) == ("invalid_input", field)
        assert words in problem["message"]
    assert len(ledger(service)) == before


def test_only_the_documented_endpoints_are_public(client: Client) -> None:
    """The page's own events are not part of the API."""
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    assert set(described["named_endpoints"]) == {
        *("/generate", "/submit", "/job", "/cancel", "/history"),
        *("/models", "/run", "/batch", "/star", "/collections", "/collect", "/share_collection", "/join", "/export"),
    }
    assert not described["unnamed_endpoints"]
    parameters = described["named_endpoints"]["/generate"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters] == ["prompt", "aspect_ratio", "frames", "seed"]


def test_a_refused_key_is_one_sentence(tmp_path: Path, service: SimulatorServer) -> None:
    """With a wrong key the job fails as `key_refused`, costs nothing, and the key is in no response and no log."""
    wrong = "rc-wrong-key-9876543210"
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=wrong, RUNCOMFY_MODEL_API_BASE=service.address)
    server.start()
    try:
        client = Client(server.address, verbose=False)
        *_, (job, video) = client.submit(prompt="a lighthouse", api_name="/generate")
        assert (job["state"], job["error"]["code"], video) == ("failed", "key_refused", None)
        assert "refused the key" in job["message"]
        assert wrong not in json.dumps(job)
    finally:
        server.stop()
    assert wrong not in server.log


@pytest.mark.parametrize("data", [[], ["x", "1920×1088(16:9)", 121, 7, 8, 9], "x", None])
def test_too_few_and_too_many_values_are_one_sentence(studio: Server, service: SimulatorServer, data: object) -> None:
    """A call without a required value, or with too many, gets a code and a sentence, and nothing is sent."""
    before = len(ledger(service))
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(studio, "submit", data)
    answer = json.loads(caught.value.read())
    assert (caught.value.code, answer["code"]) == (422, "invalid_call")
    assert answer["message"].endswith(".")
    assert len(ledger(service)) == before


def test_values_that_have_defaults_may_be_left_out_at_the_end(studio: Server) -> None:
    """By a program that knows fewer inputs than there are now, each gets its default."""
    for data in ([], [5], [5, 0], [5, 0, False], [5, 0, False, ""]):
        assert b"event: complete" in call(studio, "history", data).read()


def test_the_python_client_refuses_missing_and_unknown_inputs(client: Client, service: SimulatorServer) -> None:
    """`gradio_client` raises for a missing and for an unknown input before it sends anything."""
    before = len(ledger(service))
    with pytest.raises(TypeError, match="prompt"):
        client.predict(api_name="/submit")
    with pytest.raises(TypeError, match="nope"):
        client.predict(prompt="x", nope=1, api_name="/submit")
    assert len(ledger(service)) == before


def test_errors_are_json_with_a_code(client: Client, studio: Server) -> None:
    """`gradio_client` and HTTP get the same object, whatever the value is; it has no character of HTML."""
    with pytest.raises(AppError) as caught:
        client.predict(prompt="x", seed="<b>&amp;", api_name="/submit")
    problem = json.loads(str(caught.value))
    message = "seed: “<b>&amp;” is not a whole number."
    assert problem == {"code": "invalid_input", "field": "seed", "message": message}
    with call(studio, "submit", ["x", "1920×1088(16:9)", 121, "<b>&amp;"]) as stream:
        event, data = stream.read().decode().split("\n")[:2]
    assert event == "event: error"
    text = json.loads(data.removeprefix("data: "))["error"]
    assert json.loads(text) == problem
    assert not set("<>&") & set(text)


def test_the_job_goes_on_when_the_caller_disconnects(studio: Server, client: Client, service: SimulatorServer) -> None:
    """The connection of `/generate` ends after its first event; `/job` has the video, which was charged once."""
    before = len(ledger(service))
    with call(studio, "generate", ["a cut line", "1920×1088(16:9)", 121, 5]) as stream:
        line = next(line for line in stream if line.startswith(b"data: ["))
    [started, _] = json.loads(line.removeprefix(b"data: "))
    assert started["state"] != "succeeded"
    job, video = ended(client, started)
    assert (job["state"], job["seed"]) == ("succeeded", 5)
    assert video
    assert len(ledger(service)) == before + 1


def test_a_key_alone_names_a_call(studio: Server, service: SimulatorServer) -> None:
    """Without the first caller's cookie the same key gives the same job; for other settings it is refused. Texts are read."""
    before = len(ledger(service))

    def made(key: str, **values: Any) -> dict[str, Any]:
        client = Client(studio.address, verbose=False, headers={"Idempotency-Key": key})
        job: dict[str, Any] = client.predict(prompt="named", api_name="/submit", **values)
        return job

    key = "1f0c2a9e-77b1-4c0e-9a6e-2f7d1b8f1a11"
    first = made(key, aspect_ratio="9:16", frames="10 s", seed="")
    assert (first["aspect_ratio"], first["frames"]) == ("1088×1920(9:16)", 241)
    assert made(key, aspect_ratio="1088x1920", frames=241)["job_id"] == first["job_id"]
    with pytest.raises(AppError, match="already used for a video with other settings"):
        made(key)
    assert made("short", frames=121)["job_id"] != made("short", frames=121)["job_id"]  # two visitors
    client = Client(studio.address, verbose=False)
    ended(client, first)
    assert len([request for request in ledger(service)[before:] if request["input"]["frames"] == 241]) == 1
    for limit in (0, -1, "5", 10**9, None):
        assert client.predict(limit=limit, api_name="/history") == []


def call(studio: Server, name: str, data: object) -> Any:
    """The event stream of a call made as curl makes it."""
    address = f"{studio.address}/gradio_api/call/{name}"
    body, headers = json.dumps({"data": data}).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, body, headers)) as reply:
        return urllib.request.urlopen(f"{address}/{json.load(reply)['event_id']}")


def test_a_program_uploads_pictures(studio: Server, service: SimulatorServer, tmp_path: Path) -> None:
    """Uploaded by the client, or as a data URI: the job has the file's name, and the service gets its bytes, upright; nobody
    else can use it, and what is no upload is no file."""
    model, before = load_card(PICTURES).model_id, len(ledger(service))
    mine = Client(studio.address, verbose=False, headers=cookie_of(studio))
    picture = make("jpeg-turned", tmp_path / "cat.jpg")
    small = make("png", tmp_path / "small.png")
    data = "data:image/png;base64," + base64.b64encode(small.read_bytes()).decode()
    settings = {"prompt": "it jumps", "image_urls": [handle_file(str(picture))]}
    *_, (job, video) = mine.submit(model=model, settings=settings, api_name="/run")
    assert job["state"] == "succeeded"
    assert video
    [named] = job["settings"]["image_urls"]
    assert named.startswith("upload:cat.jpg#")
    *_, (again, _) = mine.submit(model=model, settings={"prompt": "again", "image_urls": [named]}, api_name="/run")
    *_, (third, _) = mine.submit(model=model, settings={"prompt": "third", "image_urls": [data]}, api_name="/run")
    assert third["settings"]["image_urls"][0].startswith("upload:image_urls.png#")
    sent = [made["input"]["image_urls"] for made in ledger(service)[before:] if made["model_id"] == model]
    digest = hashlib.sha256(small.read_bytes()).hexdigest()
    assert sent[2] == [f"data:image/png;sha256,{digest}"]
    assert sent[0] == sent[1]
    assert again["state"] == third["state"] == "succeeded"

    stranger = Client(studio.address, verbose=False)
    foreign = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    for given, said in (
        (named, "is not here, or not yours"),
        ("data:image/png;base64,AAAA", "neither a picture"),
        ("x", "https"),
    ):
        with pytest.raises(AppError) as caught:
            stranger.predict(model=model, settings={"prompt": "x", "image_urls": [given]}, api_name="/run")
        assert said in json.loads(str(caught.value))["message"]
    body = {"data": [model, {"prompt": "x", "image_urls": [foreign]}]}
    reply = httpx.post(f"{studio.address}/gradio_api/call/run", json=body)
    assert reply.status_code == 422
    assert len([made for made in ledger(service)[before:] if made["model_id"] == model]) == 3


def test_a_program_continues_a_video(client: Client, service: SimulatorServer, studio: Server) -> None:
    """By the job id of a `parent`: its last frame and its prompt are sent, once, and the job knows the chain; what does not go
    with it is one sentence, and nothing is sent."""
    model = load_card(PICTURES).model_id
    *_, (first, _) = client.submit(prompt="a paper boat", api_name="/generate")
    before = len(ledger(service))
    *_, (second, video) = client.submit(model="", settings={}, parent=first["job_id"], api_name="/run")
    assert (second["state"], second["model_id"], second["prompt"]) == ("succeeded", model, "a paper boat")
    assert second["ancestors"] == [first["share_id"]]
    assert video
    settings = {"prompt": "it sinks", "frames": 241}
    *_, (third, _) = client.submit(model=model, settings=settings, parent=second["job_id"], api_name="/run")
    assert third["ancestors"] == [first["share_id"], second["share_id"]]
    assert (third["prompt"], third["frames"]) == ("it sinks", 241)
    sent = [made["input"] for made in ledger(service)[before:]]
    assert [each["prompt"] for each in sent] == ["a paper boat", "it sinks"]
    assert all(each["image_urls"][0].startswith("data:image/") for each in sent)
    jsonschema.validate(third, json.loads((ROOT / "docs" / "job.schema.json").read_text(encoding="utf-8")))
    refused: list[tuple[object, dict[str, Any], object, str]] = [
        ("", {}, "0" * 32, "There is no such video"),
        ("", {}, 7, "parent: 7 is not a text."),
        (OTHER_CARD.model_id, {"text": "x"}, first["job_id"], "this model takes no picture"),
        (model, {"image_urls": ["https://example.com/a.png"]}, first["job_id"], "leave image_urls out"),
        (model, {"frames": 7}, first["job_id"], "frames: 7 is not one of"),
    ]
    for name, values, parent, said in refused:
        with pytest.raises(AppError) as caught:
            client.predict(model=name, settings=values, parent=parent, api_name="/run")
        assert said in json.loads(str(caught.value))["message"]
    assert len(ledger(service)) == before + 2
