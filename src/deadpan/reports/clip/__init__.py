"""The page that explains one clip."""
