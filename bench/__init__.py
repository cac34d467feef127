"""Figures of speed on the embedded engine: `python -m bench` prints one table of medians; nothing here is asserted."""
