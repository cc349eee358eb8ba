"""A weight set for other programs: its networks in their formats, each with what its numbers rest
on."""
