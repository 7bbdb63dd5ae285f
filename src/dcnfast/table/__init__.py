"""Stage 0: tables of any kind -> columns, numeric and categorical."""
