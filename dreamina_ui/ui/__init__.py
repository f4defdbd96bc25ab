"""The page: its sections, their HTML, and the form."""
