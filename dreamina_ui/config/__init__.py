"""Reads what machines and people write into the settings."""
