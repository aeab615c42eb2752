"""Settings that every test shares; read before torch and FAISS are imported."""

import atexit
import os
import shutil
import tempfile

# The models are tiny: several threads would only wait for each other, and for other processes.
os.environ["OMP_NUM_THREADS"] = "1"
# Nothing is read from, or left in, the user's own cache.
_cache = tempfile.mkdtemp(prefix="iciclegcn-tests-")
os.environ["ICICLEGCN_CACHE"] = _cache
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
