"""The published networks, one a file, as plain torch modules, and the facts about them, which are
read without torch; an engine makes them fast.

A further network is its file and a row of ``kinds.NETWORKS``.
"""
