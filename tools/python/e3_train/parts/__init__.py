"""The models of machine parts, which come with the project, and how they are trained."""
