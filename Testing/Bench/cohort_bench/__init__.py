"""What a cohort of CTs costs, measured here, and simulated for 100,000: ``python -m
cohort_bench``."""
