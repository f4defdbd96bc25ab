"""The sections of the page: components and what happens on them."""
