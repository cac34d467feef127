"""Files to facts, frames and other files; only `delivery` and the pure parts may be loaded by the daemon."""
