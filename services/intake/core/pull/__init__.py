"""Pulling: finding what webhooks lost, by asking vendors what changed since a watermark.

`port` is what a connector is; `github`, `gitlab`, `jira` and `zendesk` are the connectors; `flow` reads a list to
its end, `limits` judges answers, `position` is what a cursor keeps; `reading` makes observations of what was found.
"""
