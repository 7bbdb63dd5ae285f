"""What answers without an estimator: one row at a time."""
