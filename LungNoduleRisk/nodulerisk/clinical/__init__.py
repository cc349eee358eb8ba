"""Guidelines, and what they rest on: the patient, and the same nodule on an earlier scan."""
