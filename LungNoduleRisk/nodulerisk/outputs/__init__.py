"""What an Assessment becomes: a mesh, pictures, tables and files."""
