"""The published networks, one per file, as plain torch modules, and the facts about them, which can
be read without torch; an engine makes them fast.

To add a network, add its file and a row in ``kinds.NETWORKS``.
"""
