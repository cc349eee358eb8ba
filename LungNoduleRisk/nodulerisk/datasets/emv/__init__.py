"""Tables and blocks as EMV-3D-CNN's authors have them."""
