"""Runs functions in processes with limits of memory, time and file size, for what strangers and services send."""
