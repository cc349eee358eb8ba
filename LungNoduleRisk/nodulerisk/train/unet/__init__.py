"""How the network that draws the mask and says whether it is a nodule at all is trained: from
readers' outlines, from made-up nodules in real lung, and from places where there is none."""
