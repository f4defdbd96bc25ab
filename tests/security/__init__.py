"""Security tests: each one tries to do what must not be possible, as a visitor or from outside."""
