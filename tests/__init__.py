"""Tests of mlsys; they mirror the package."""

import os

# As the command line does, before anything that brings threads of OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
