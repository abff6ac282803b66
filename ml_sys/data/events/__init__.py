"""Turn raw events into usage rows: one per entity and period.

The many events of a file go through `log.EventLog`, the few of a request through `few.count_few`; both give
the same rows, bit for bit.
"""
