"""`barometer sla`: due times and open time, from calendars and policies alone; nothing runs, nothing is stored."""
