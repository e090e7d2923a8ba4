"""The small model that ships with Darkroom, and how it was made."""
