"""Reeldrop: a watch folder in front of ComfyUI. Rooms and their order are in docs/architecture.md."""

__version__ = "0.1.0"
