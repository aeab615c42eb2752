"""Images in: sources, decoding, the cache, views; the truth apart in `labels`."""
