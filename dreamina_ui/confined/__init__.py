"""Runs functions in processes with limits of memory, time and file size, for files and values that visitors and services send."""
