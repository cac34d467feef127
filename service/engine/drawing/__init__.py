"""What the stand-ins draw: shots made by rules from words, from a seed, or from one picture. No model runs here."""
