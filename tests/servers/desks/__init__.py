"""Help desks that answer as their vendors document it: paging, rate limits, errors, and things that change meanwhile.

Each desk is a function of requests, so a test asks it directly or over HTTP (`serving`). Bodies are made up.
"""
