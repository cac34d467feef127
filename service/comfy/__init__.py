"""A ComfyUI server, true or embedded: doors to it (client, socket, embedded), and the thought about it (the rest)."""
