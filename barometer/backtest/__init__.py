"""A log in virtual time: what was true at an instant, and which alerts would have fired.

The cores are the live ones (services.aging.core, services.alerting.core); only the driver is here.
"""
