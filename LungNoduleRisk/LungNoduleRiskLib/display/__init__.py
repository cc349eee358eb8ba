"""What is shown of assessments in the scene: segments, tables, charts, statistics."""
