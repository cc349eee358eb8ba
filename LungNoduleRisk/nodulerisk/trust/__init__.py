"""How reliable an answer is: when its decision is withheld, how far it moves, where the networks
looked."""
