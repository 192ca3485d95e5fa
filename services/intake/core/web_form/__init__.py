"""The public form: what is asked, what a person entered, and what tells a person from a machine."""
