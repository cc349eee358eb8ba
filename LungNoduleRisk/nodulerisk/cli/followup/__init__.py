"""``nodulerisk follow-up``: compares nodules between the scans of a patient."""
