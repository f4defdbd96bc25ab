"""Runs jobs, from the click to the saved files."""
