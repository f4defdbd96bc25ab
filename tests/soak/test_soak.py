"""The soaks of `python -m tests.soak`, in short."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.trial import Service, Trial, serving
from tests.soak.__main__ import main
from tests.soak.faulty import soak
from tests.soak.outage import outage, patience
from tests.soak.takeover import takeover


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), render_s=3.0) as service:
        yield service


def test_a_mix_of_faults_ends_every_job_truthfully(tmp_path: Path) -> None:
    """Whatever strikes, rows, files and the service's ledger agree in the end, and nothing is paid twice."""
    result = soak(tmp_path, 60, seed=1)
    assert result.verdict.clicks == 60
    assert not result.verdict.lies
    assert {"5xx on status", "429 on status", "reset on output", "5xx, accepted on submit"} <= set(+result.struck)


def test_an_outage_costs_no_more_requests_than_stated(tmp_path: Path) -> None:
    """Fifty jobs outlive two minutes without the service, within one request each and the retries' budget."""
    result = outage(tmp_path, 50, 120.0, seed=1)
    assert result.asked.total() <= result.bound
    assert set(result.asked) == {"status", "output"}
    assert result.verdict.states == {"succeeded": 50}
    assert (result.verdict.lies, result.posts) == ([], 50)


def test_retry_after_outlives_a_restart(tmp_path: Path) -> None:
    """A service that asked for two minutes is left alone for two minutes, also by the next start."""
    result = patience(tmp_path, asked_s=120, restarted_s=5.0)
    assert result.waited_s >= 120
    assert result.ended.state == "succeeded"


def test_another_replica_takes_over_from_a_dead_one(tmp_path: Path, service: Service) -> None:
    """When a lease has run out, the jobs of a killed owner go on elsewhere, without another POST."""
    result = takeover(tmp_path / "replica", service, "a second replica", lease_s=2.0)
    assert result.owned_s < 30
    assert (result.posts, dict(result.verdict.states), result.verdict.lies) == (5, {"succeeded": 5}, [])


def test_a_restart_need_not_wait_for_the_lease(tmp_path: Path, service: Service) -> None:
    """With SQLite the lock of a dead owner is free at once."""
    result = takeover(tmp_path / "restart", service, "a restart", lease_s=120.0, restart=True)
    assert (result.posts, dict(result.verdict.states), result.verdict.lies) == (5, {"succeeded": 5}, [])


def test_a_living_owner_keeps_its_jobs(tmp_path: Path, service: Service) -> None:
    """A second replica beside a living one takes nothing, though the jobs outlast the lease."""
    with Trial(tmp_path, service, "kept") as trial:
        owner = trial.start("--submit", 3, "--lease", 2.0)
        idle = trial.start("--submit", 0, "--until-idle", "--lease", 2.0)
        assert (owner.wait(), idle.wait()) == (0, 0)
        assert [row.generation for row in owner.rows] == [1, 1, 1]


def test_a_report_that_cannot_be_kept_is_said_before_the_soak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing document, or one without the marks, is one sentence at once."""
    (tmp_path / "plain.md").write_text("no marks")
    for name, says in (("missing.md", "cannot be read"), ("plain.md", "lacks <!-- figures -->")):
        with pytest.raises(SystemExit):
            main(["--report", str(tmp_path / name)])
        assert says in capsys.readouterr().err
