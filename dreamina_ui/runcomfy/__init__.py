"""RunComfy's HTTP API: the client, its replies and prices."""
