"""Schema versions of alerting's database (see shared/sql/migrate.py)."""
