"""Guidelines and scores, and what they need: the patient, and the same nodule on an earlier
scan."""
