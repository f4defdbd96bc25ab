"""Which service makes the videos, and what follows from that."""

from enum import StrEnum

__all__ = ["Backend", "charges"]


class Backend(StrEnum):
    """The values stand in rows and in the job's JSON."""

    RUNCOMFY = "runcomfy"
    SIMULATOR = "simulator"

    @property
    def charges(self) -> bool:
        """Whether a video costs money."""
        return charges(self)

    @property
    def needs_key(self) -> bool:
        """Whether requests carry an API key: the shared one, or a visitor's own."""
        return self is Backend.RUNCOMFY


def charges(backend: str) -> bool:
    """The same of a name in a row, which may be another program's: a service nobody knows is taken to charge."""
    return backend != Backend.SIMULATOR
