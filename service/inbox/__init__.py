"""Doors to the inbox: wake, look, claim, give back; one daemon at a time holds it."""
