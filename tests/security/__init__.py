"""Proofs that strangers are safe, and safe from each other: each test tries to do what must not be possible."""
