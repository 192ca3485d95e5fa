"""Business calendars: open hours, holidays, exceptions, in any zone, exact to the second. Pure arithmetic."""
