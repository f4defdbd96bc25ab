"""What all tests share."""

import os

import pytest

# Before Gradio is imported anywhere: nothing here may talk to the outside.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
