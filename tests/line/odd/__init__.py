"""Tables of broken and odd drops, each row with what must come of it, and the bench that runs them through a daemon."""
