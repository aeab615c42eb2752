"""Presets, and what suits each kind of data. Imports nothing heavy: the command line reads it."""
