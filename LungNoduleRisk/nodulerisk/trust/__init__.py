"""How far an answer may be relied on: when its decision is withheld, how far it moves, where the
networks looked."""
