"""Stores in memory, with the promises of the real ones: third adapters under the contract suites.

What a database would hold lies in an object of its own (`AgingDatabase`, `AlertingDatabase`,
`ThreadsDatabase`), which outlives the store objects of a process that was killed. Nothing here knows an event
loop, a thread, a clock or chance.
"""
