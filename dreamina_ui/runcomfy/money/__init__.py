"""What videos cost, and what is left in the account."""
