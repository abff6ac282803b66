"""mlsys: which free companies will become paying customers, how sure are we, and why.

``from ml_sys import Project`` is the Python API. Importing the package alone loads nothing else of it,
so that ``mlsys --help`` answers at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_sys.project import Project as Project

    __version__: str


def __getattr__(name: str) -> Any:
    """Look up what takes a while to import when it is asked for: `Project`, and the installed version."""
    if name == "Project":
        from ml_sys.project import Project

        return Project
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ml-sys")
    except PackageNotFoundError:  # the folder is imported without being installed
        return "0+unknown"
