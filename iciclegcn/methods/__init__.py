"""The training loops, one readable file each."""
