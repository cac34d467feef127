"""The inbox on real folders."""
