"""One guideline a file, and what all of them share: their result, the inputs, and what is in doubt
about a nodule."""
