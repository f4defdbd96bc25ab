"""Pages of our own beside Gradio's: show mode, votes, shared collections."""
