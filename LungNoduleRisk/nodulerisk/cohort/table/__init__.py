"""The table of a cohort: read, and checked in full before anything runs."""
