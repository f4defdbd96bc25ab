"""What the person sees: one file for each section of the page."""
