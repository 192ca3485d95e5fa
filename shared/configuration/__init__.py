"""The configuration file: its shape, its errors by line and mend, and what of it changes facts."""
