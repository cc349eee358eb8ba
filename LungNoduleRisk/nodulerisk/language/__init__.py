"""The reader's language: words that know how to be said in it (``texts``), and the catalogs of
their translations (``spoken``)."""
