"""A run's folder: the files it is made of, and the only readers and writers of them."""
