"""Files as values: how they are named, and what a model wants of them."""
