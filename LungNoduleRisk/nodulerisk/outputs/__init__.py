"""Outputs of an Assessment: a mesh, pictures, tables and files."""
