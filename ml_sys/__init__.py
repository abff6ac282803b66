"""mlsys: which free companies will become paying customers, how sure are we, and why.

Importing the package loads nothing else of it, so that ``mlsys --help`` answers at once.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ml-sys")
except PackageNotFoundError:  # the folder is imported without being installed
    __version__ = "0+unknown"
