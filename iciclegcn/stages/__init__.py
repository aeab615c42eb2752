"""The stages of a run: each reads the earlier ones' results, calls a method, writes its own."""
