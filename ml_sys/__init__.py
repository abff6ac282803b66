"""mlsys: which free companies will become paying customers, how sure are we, and why.

Importing the package loads nothing else of it, so that ``mlsys --help`` answers at once.
"""


def __getattr__(name: str) -> str:
    """Look ``__version__`` up when it is asked for: the metadata of packages takes a while to import."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ml-sys")
    except PackageNotFoundError:  # the folder is imported without being installed
        return "0+unknown"
