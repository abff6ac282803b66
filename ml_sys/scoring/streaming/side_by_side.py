"""Call a function in threads, and yield results in order, with few of them at a time."""

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
    """Yield the function's result for each job, in order.

    The first call is made alone, as it loads compiled code. At most as many results as there are threads are
    computed ahead, so memory is bounded however many jobs there are.

    Parameters
    ----------
    jobs : iterable of tuple
        Arguments of each call; consumed one by one in the caller's thread.
    threads : int
        1 makes every call in the caller's thread.
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
