"""Inner loops compiled by numba, which run without it until it has been loaded.

Loading numba and a compiled loop takes longer than all else that a server needs before it can answer. So a
process may defer it: until :func:`load` has been called, as from a thread, a loop is run by the interpreter,
from the same source, or by a function of NumPy that gives the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_every: list[Kernel] = []
_deferred = False
_loading = RLock()


class Kernel:
    """A loop over arrays of fixed types.

    Parameters
    ----------
    function : callable
        In the part of Python that numba compiles, with the same result when it is interpreted.
    signature : callable
        Gives its types, from the module ``numba``.
    meanwhile : callable, optional
        Gives the same bits without being compiled, faster than the interpreted loop.
    helpers : sequence of callable
        Plain functions that the loop calls.

    Attributes
    ----------
    run : callable
        The loop in its fastest form so far. Calling the kernel is the same and a little slower.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Callable[[Any], Any],
        meanwhile: Callable[..., Any] | None = None,
        helpers: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.meanwhile = meanwhile or function
        self._function = function
        self._helpers = helpers
        self.run: Callable[..., Any] = self._first
        self._signature = signature

    def __call__(self, *arguments: Any) -> Any:
        """Run the loop."""
        return self.run(*arguments)

    def load(self) -> None:
        """Compile the loop, or take it from numba's cache; threads that ask for it meanwhile wait.

        The cache is beside the source, in the user's cache folder where that is read-only, nowhere where
        neither can be written or the disk is full.
        """
        with _loading:
            if self.run == self._first:
                self._load()

    def _load(self) -> None:
        import numba

        for helper in self._helpers:
            numba.extending.register_jitable(helper)
        self._name_for_helpers()
        signature = self._signature(numba)
        try:
            self.run = numba.njit(signature, cache=True, nogil=True)(self._function)
        except (RuntimeError, OSError):  # numba found no folder that it may write to, or a full disk
            self.run = numba.njit(signature, nogil=True)(self._function)

    def _name_for_helpers(self) -> None:
        """Name the loop for what its helpers' modules say: its cache does not see a change in another one."""
        modules = sorted({helper.__code__.co_filename for helper in self._helpers})
        if modules:
            digest = hashlib.sha256(b"".join(Path(one).read_bytes() for one in modules)).hexdigest()[:12]
            self._function.__qualname__ += f"_{digest}"

    def _first(self, *arguments: Any) -> Any:
        if _deferred:
            return self.meanwhile(*arguments)
        self.load()
        return self.run(*arguments)


def kernel(
    signature: Callable[[Any], Any],
    *,
    meanwhile: Callable[..., Any] | None = None,
    helpers: Sequence[Callable[..., Any]] = (),
) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of a function; see :class:`Kernel`."""

    def make(function: Callable[..., Any]) -> Kernel:
        made = Kernel(function, signature, meanwhile, helpers)
        _every.append(made)
        return made

    return make


def defer() -> None:
    """Do without numba in this process until :func:`load` is called."""
    global _deferred
    _deferred = True


def load() -> None:
    """Compile every kernel whose module has been imported."""
    for one in _every:
        one.load()
