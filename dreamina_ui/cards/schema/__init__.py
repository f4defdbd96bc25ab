"""The schema of a model's input: one form of it, its fields, and the check of values."""
