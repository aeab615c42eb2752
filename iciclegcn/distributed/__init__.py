"""Several processes computing one run: who they are, how they start, and when one is lost."""
