"""Views as pictures in a browser, and what is read and moved in them."""
