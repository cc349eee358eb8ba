"""DenseSharp's data format: a folder of cubes with a table of their classes."""
