"""The embedded engine: a small ComfyUI in a process of its own, for machines that have none."""
