"""Makes files of saved videos: joined ones, parts, GIF and WebM. Runs in a process with limits; all of it blocks."""
