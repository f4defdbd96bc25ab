"""Dreamina UI: a studio for Dreamina 3.0 Pro videos. Import the module you need; nothing is imported here."""
