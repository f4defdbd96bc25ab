"""What the sections show, as HTML: pure, values in, markup out."""
