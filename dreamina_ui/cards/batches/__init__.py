"""Batches: many videos planned at once, from lines, a table or combinations of values."""
