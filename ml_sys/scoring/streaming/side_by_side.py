"""Calls in threads whose results come in order, few of them at a time."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

_T = TypeVar("_T")
# Each has a batch or a page in memory.
THREADS = min(os.cpu_count() or 1, 4)


def side_by_side(
    function: Callable[..., _T], jobs: Iterable[tuple[Any, ...]], threads: int = THREADS
) -> Iterator[_T]:
    """Yield what a function returns for each job, in their order.

    The first call is made alone: it loads what is compiled. As many results as there are threads are ahead of
    the one that is waited for, so that memory stays bounded however many jobs there are.

    Parameters
    ----------
    jobs : iterable of tuple
        Arguments of each call; taken one by one from the thread of the caller.
    threads : int
        1 makes every call in the thread of the caller.
    """
    waiting = iter(jobs)
    for job in waiting:
        yield function(*job)
        if threads > 1:
            break
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[_T]] = deque()
        for job in waiting:
            ahead.append(pool.submit(function, *job))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
