"""The engines: what answers, embeds and trains in a sandbox; each is one module or folder."""
