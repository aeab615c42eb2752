"""Loss terms: pure functions of tensors, one term each."""
