"""Rows: the database, jobs, leases, allowances."""
