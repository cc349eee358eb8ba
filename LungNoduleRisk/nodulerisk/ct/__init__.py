"""Reading CTs, and cutting from them what networks look at."""
