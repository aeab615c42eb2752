"""Scripts that let a shell complete what can follow ``iciclegcn``."""
