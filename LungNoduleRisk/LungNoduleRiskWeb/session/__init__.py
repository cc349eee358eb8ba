"""One process a user: Slicer's scene and views, and the page that shows them."""
