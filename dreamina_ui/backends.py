"""Which service makes the videos, and what follows from that."""

from enum import StrEnum

__all__ = ["Backend", "charges"]


class Backend(StrEnum):
    """The services. Their values are stored in rows and are part of the job's JSON."""

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
    """Whether a video costs money at the backend named in a row. An unknown one is assumed to charge."""
    return backend != Backend.SIMULATOR
