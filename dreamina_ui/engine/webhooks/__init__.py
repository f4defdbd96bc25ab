"""News that leave the studio: signed messages to the addresses that asked for them."""
