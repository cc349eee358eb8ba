"""From a plan and labelled nodules to a weight set: what ``nodulerisk train`` does."""
