"""Real kills over real sockets: a worker dies by SIGKILL, another one starts over its folder, and the ledger judges."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from dreamina_ui.crash_points import POINTS
from tests.crash.trial import CERTAIN, KILLED, Service, Trial, kill_at, kill_at_random, serving
from tests.servers import wait_for

AGAIN = ("after_click", "after_in_progress", "mid_download", "before_rename", "before_poster")
"""A job that died there comes past once more; the other points lie behind it."""
SLOW = {"on": "output", "kind": "slow", "delay_s": 600.0}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def trial(tmp_path: Path, service: Service) -> Iterator[Trial]:
    service.calm()
    with Trial(tmp_path, service, secrets.token_hex(4)) as trial:
        yield trial
    service.calm()


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_every_point_ends_truthfully(trial: Trial, tmp_path: Path, point: str) -> None:
    """Known requests are resumed, what never left is sent once, and what nobody can know is called uncertain.

    The video begins with an uploaded picture, and that picture is what is sent.
    """
    picture = tmp_path / "first frame.png"
    Image.new("RGB", (400, 320), (120, 40, 200)).save(picture)
    death = kill_at(trial, point, nth=2 if point == "mid_download" else 1, picture=picture)
    assert (death.row.state, death.accepted) == CERTAIN.get(point, ("succeeded", 1))
    assert not death.lies


@pytest.mark.parametrize("point", AGAIN)
def test_two_deaths_at_one_point_end_truthfully(trial: Trial, point: str) -> None:
    """The restart dies where the first start died, and the one after it finishes."""
    if point == "after_in_progress":
        trial.service.strike({"on": "status", "kind": "never_finishes", "times": 2})
    death = kill_at(trial, point, times=2)
    # The second worker finds the click's row at its start, and may be sending it by the time it dies at the click.
    assert death.row.state in (("succeeded", "uncertain") if point == "after_click" else ("succeeded",))
    assert not death.lies


def test_a_death_while_the_output_is_slow_to_come(trial: Trial) -> None:
    """A download that was waited for is asked for again, and one file comes of it."""
    trial.service.strike(SLOW)
    worker = trial.start("--submit", 1)
    wait_for(lambda: "asked" if any(r["downloads"] for r in trial.service.ledger(trial.label)) else "")
    worker.kill()
    [left] = trial.look("state")
    assert left.state == "saving"
    verdict = trial.judge(trial.run("--submit", 1).rows)
    assert (dict(verdict.states), verdict.lies) == ({"succeeded": 1}, [])


def test_a_death_among_others(trial: Trial) -> None:
    """Of three jobs one is killed between answer and id; the others, wherever they stood, end truthfully too."""
    assert trial.start("--submit", 3, "--die-at", "after_post_before_id:2").wait() == KILLED
    verdict = trial.judge(trial.run("--submit", 3).rows)
    assert verdict.clicks == 3
    assert verdict.accepted["uncertain", 1] >= 1
    assert not verdict.lies


def test_a_few_deaths_at_random(trial: Trial) -> None:
    """Six kills of a busy studio, by the clock or at a point, and no request is lost or doubled."""
    _kill_at_random(trial, 6)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_deaths_at_random(trial: Trial) -> None:
    """The same two hundred times; `KILLS` and `KILL_SEED` in the environment say how often, and which ones."""
    _kill_at_random(trial, int(os.environ.get("KILLS", "200")))


def _kill_at_random(trial: Trial, kills: int) -> None:
    seed = int(os.environ.get("KILL_SEED") or secrets.randbelow(2**31))
    print(f"KILL_SEED={seed}")
    killed = kill_at_random(trial, kills, seed)
    assert killed.where.total() == kills
    assert not killed.verdict.lies, f"KILL_SEED={seed}"
