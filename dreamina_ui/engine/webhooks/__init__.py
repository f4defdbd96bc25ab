"""Webhooks: signed messages about jobs, batches and limits, to the owner's address and to those of visitors."""
