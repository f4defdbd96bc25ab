"""The owner of running jobs is killed: how long until somebody else has them, and whether anything is sent again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dreamina_ui.storage.leases import LEASE_S
from tests.crash.trial import Service, Trial, Verdict, Worker
from tests.servers import wait_for

__all__ = ["Takeover", "takeover"]

PATIENCE_S = 90.0


@dataclass(frozen=True)
class Takeover:
    """Seconds from the kill until all jobs were owned anew, and until all had ended. Each job costs one POST."""

    how: str
    jobs: int
    owned_s: float
    ended_s: float
    posts: int
    verdict: Verdict


def takeover(
    folder: Path,
    service: Service,
    how: str,
    *,
    url: str | None = None,
    jobs: int = 5,
    lease_s: float = LEASE_S,
    restart: bool = False,
) -> Takeover:
    """The service says of all jobs that it renders them, until the kill. A restart instead of a second replica if told."""
    posts = service.posts()
    service.strike({"on": "status", "kind": "other_word", "word": "in_progress", "times": None})
    with Trial(folder, service, folder.name, url=url) as trial:
        lease = ("--lease", lease_s)
        owner = trial.start("--submit", jobs, *lease)
        _wait(lambda: [row.state for row in trial.look("state")] == ["in_progress"] * jobs)
        heir = None if restart else _ready(trial.start("--until-idle", *lease))
        killed_at = time.monotonic()
        owner.kill()
        service.calm()
        heir = heir or _ready(trial.start("--until-idle", *lease))
        _wait(lambda: {row.lease_owner for row in trial.look("lease_owner")} <= {heir.owner, None})
        owned_s = time.monotonic() - killed_at
        heir.wait()
        ended_s = time.monotonic() - killed_at
        later = trial.run("--until-idle")
        return Takeover(how, jobs, owned_s, ended_s, service.posts() - posts, trial.judge(later.rows))


def _ready(worker: Worker) -> Worker:
    _wait(lambda: bool(worker.owner))
    return worker


def _wait(condition: Callable[[], bool]) -> None:
    wait_for(lambda: "yes" if condition() else "", PATIENCE_S)
