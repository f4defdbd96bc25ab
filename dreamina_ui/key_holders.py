"""The engine's door, as far as it is for visitors' own keys: which key a job goes with, and how one is brought."""

from abc import abstractmethod
from collections.abc import Callable

from dreamina_ui.errors import KeyNeeded, KeyRefused
from dreamina_ui.jobs import Job
from dreamina_ui.keeper import Keeper
from dreamina_ui.keys import OwnKeys
from dreamina_ui.leases import Keyed
from dreamina_ui.runner import KEY_AWAITED_S
from dreamina_ui.visitors import HOLDER, Asker

__all__ = ["KeyHolders"]


class KeyHolders:
    """What the engine is made of, as far as keys need it."""

    backend: str
    keys: OwnKeys
    _keeper: Keeper
    _key: str | None
    """The shared key."""
    _now: Callable[[], float]

    @property
    def offers_own_keys(self) -> bool:
        """Whether a visitor's own key means anything here: the simulator asks for none."""
        return self.backend == "runcomfy"

    async def bring_key(self, visitor_id: str, key: str) -> None:
        """Take a visitor's own key, once the service has; the visitor's jobs that wait for one go on.

        Raises what `OwnKeys.checked` does; then a key that was there before still is.
        """
        if not self.offers_own_keys:
            raise KeyRefused
        self.keys.keep(visitor_id, await self.keys.checked(key))
        await self._keeper.sweep()

    def forget_key(self, visitor_id: str) -> None:
        """The visitor's key, and those of the visitor's jobs: what is under way waits until one is brought again."""
        self.keys.forget(visitor_id)

    async def bring_key_for(self, job_id: str, key: str) -> None:
        """Take the key for one job, of whoever holds its id. It stays with the key it has, if that is here.

        Raises `JobNotFound`, or what `OwnKeys.checked` does.
        """
        job = await self.job(HOLDER, job_id)
        if job.own_key and not job.ended and self.offers_own_keys and self.keys.of_job(job) is None:
            self.keys.bind(job.job_id, job.visitor_id, await self.keys.checked(key))
            await self._keeper.sweep()

    @abstractmethod
    async def job(self, asker: Asker, job_id: str) -> Job: ...

    def _key_of(self, job: Job) -> str | None:
        """The one key a job may go with. Raises `KeyNeeded` while it is not here."""
        if not job.own_key:
            return self._key
        if not self.offers_own_keys or (key := self.keys.of_job(job)) is None:
            raise KeyNeeded
        return key

    def _keyed(self) -> Keyed:
        return Keyed(*self.keys.held(), since=self._now() - KEY_AWAITED_S)
