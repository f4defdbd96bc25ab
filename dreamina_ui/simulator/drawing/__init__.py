"""Draws the simulator's pictures, videos and sounds."""
