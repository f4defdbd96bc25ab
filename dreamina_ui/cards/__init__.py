"""What a model takes: the card's schema, its fields, checked values, links and batches."""
