"""What refuses a request, or ends it: bodies, calls, sessions, uploads, connections."""
