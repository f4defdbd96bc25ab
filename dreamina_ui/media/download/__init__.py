"""Downloads outputs safely: from which addresses, by which connections."""
