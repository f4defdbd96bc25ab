"""Long runs that print what came of them: `python -m tests.soak`."""
