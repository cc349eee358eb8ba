"""From a plan and labelled nodules to a weight set: the work of ``nodulerisk train``."""
