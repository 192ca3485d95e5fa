"""The events that cross the bus, their topics and their ids. Plain frozen structs, no I/O.

One definition serves Python, JSON, the checked-in JSON Schemas (`shared/schemas`) and the AsyncAPI
document. Within a version only optional members with defaults may be added; anything else is a new
type with a new version.
"""
