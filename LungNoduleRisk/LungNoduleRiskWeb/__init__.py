"""The web page: upload a CT, click the nodule, read the risk. Slicer's views in a browser, by
trame-slicer."""
