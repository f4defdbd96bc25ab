"""When each job is polled, how often all are, and how long videos take."""
