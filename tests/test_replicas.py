"""Two replicas behind docs/nginx.conf, on one PostgreSQL and one data folder, as docs/scaling.md says."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rig import make_clip
from tests.servers import ROOT, Server, SimulatorServer, free_port, wait_for

KEY = "a-key-of-the-simulator"
RENDER_S = 3
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
TAKEN_OVER_WITHIN_S = 120


@contextmanager
def nginx(folder: Path, replicas: list[Server]) -> Iterator[str]:
    """The file from docs/, with ports and folders of this test's own; gives its address."""
    folder.mkdir()
    port = free_port()
    text = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
    for written, meant in (("7861", replicas[0]), ("7862", replicas[1])):
        assert text.count(f"127.0.0.1:{written}") == 2
        text = text.replace(f"127.0.0.1:{written}", meant.address.removeprefix("http://").rstrip("/"))
    assert text.count("127.0.0.1:7860") == 1
    text = text.replace("127.0.0.1:7860", f"127.0.0.1:{port}")
    own = "".join(f"{name}_temp_path {folder / name};" for name in TEMPORARY)
    text = text.replace("http {", f"http {{ access_log off; {own}", 1)
    (folder / "nginx.conf").write_text(text)
    # As root its workers would be another user's, who may not enter a test's folder.
    main = f"daemon off; pid {folder / 'pid'};" + (" user root;" if os.getuid() == 0 else "")
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"}
    log = folder / "log"
    command = ["nginx", "-p", str(folder), "-e", str(log), "-c", str(folder / "nginx.conf"), "-g", main]
    process = subprocess.Popen(command, env=environment)

    def listening() -> str:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return "yes" if probe.connect_ex(("127.0.0.1", port)) == 0 else ""

    try:
        wait_for(listening)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SimulatorServer]:
    clip = make_clip(tmp_path / "clip.mp4")
    server = SimulatorServer(tmp_path, "--token", KEY, "--quick", str(RENDER_S), "--clip", str(clip))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def replicas(tmp_path: Path, service: SimulatorServer, postgres_url: str) -> Iterator[list[Server]]:
    """Both are there; a test may kill one."""
    made = []
    try:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            server = Server(
                tmp_path / name,
                DREAMINA_DATA_DIR=str(tmp_path / "shared"),
                DREAMINA_DATABASE_URL=postgres_url,
                DREAMINA_SECRET="the same secret for both replicas",
                DREAMINA_ALLOWED_HOSTS="studio.example.com",
                RUNCOMFY_API_TOKEN=KEY,
                RUNCOMFY_MODEL_API_BASE=service.address,
            )
            server.start()
            made.append(server)
        yield made
    finally:
        for server in made:
            server.stop(kill=True)


def ask(browser: httpx.Client, endpoint: str, *values: object) -> Any:
    """An endpoint's answers by the public API, as its stream ends."""
    event = browser.post(f"/gradio_api/call/{endpoint}", json={"data": values}).json()["event_id"]
    stream = browser.get(f"/gradio_api/call/{endpoint}/{event}").text
    assert "event: complete" in stream, stream
    return json.loads([line for line in stream.splitlines() if line.startswith("data: ")][-1].removeprefix("data: "))


@pytest.mark.timeout(300)
def test_a_killed_replica_s_video_is_seen_on_the_other(
    tmp_path: Path, service: SimulatorServer, replicas: list[Server]
) -> None:
    """Generated on one, which is killed: after a reload the other has the video, which the service was asked for once."""
    with (
        nginx(tmp_path / "nginx", replicas) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as browser,
    ):
        assert browser.get("/").status_code == 200
        chosen = browser.cookies["dreamina_replica"]
        assert not browser.get("/").headers.get_list("set-cookie")  # it stays with that replica, and one visitor
        [job] = ask(browser, "submit", "A lighthouse in a storm", "1920×1088(16:9)", 121, 7)
        wait_for(lambda: "yes" if service.control("ledger", KEY)["requests"] else "")
        print(f"\n{chosen}: {job['job_id']} {job['state']}; the service has it")

        replicas[["one", "two"].index(chosen)].stop(kill=True)
        print(f"{chosen}: killed")
        page = browser.get("/")
        assert page.status_code == 200
        [before] = ask(browser, "history", 24, 0)[0]
        assert (before["job_id"], before["finished_at"]) == (job["job_id"], None)
        print(f"reload, by the other: {before['state']}")

        wait_for(lambda: ask(browser, "job", job["job_id"])[0]["finished_at"] or "", TAKEN_OVER_WITHIN_S)
        [after] = ask(browser, "history", 24, 0)[0]
        _, video = ask(browser, "job", job["job_id"])
        assert after["state"] == "succeeded", after
        film = browser.get(f"/gradio_api/file={video['path']}")
        assert (film.status_code, film.headers["content-type"]) == (200, "video/mp4")
        print(f"later, by the other: {after['state']}, {len(film.content)} bytes of video")
        assert len(service.control("ledger", KEY)["requests"]) == 1
        print("accepted by the service: once")


def test_a_browser_keeps_its_replica(tmp_path: Path, replicas: list[Server]) -> None:
    """The cookie is obeyed, an invented one is replaced, and the name asked for reaches the app."""
    with (
        nginx(tmp_path / "nginx", replicas) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as program,
    ):
        kept = program.get("/healthz", headers={"Cookie": "dreamina_replica=two"})
        assert (kept.status_code, kept.headers.get("set-cookie")) == (200, None)
        drawn = program.get("/healthz", headers={"Cookie": "dreamina_replica=three"})
        assert drawn.headers["set-cookie"].startswith(("dreamina_replica=one;", "dreamina_replica=two;"))
        assert program.get("/healthz", headers={"Host": "studio.example.com"}).status_code == 200
        assert program.get("/healthz", headers={"Host": "other.example.com"}).status_code == 403
