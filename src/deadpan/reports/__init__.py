"""Pages of a finished run, of one clip and of a data set, and the figures on them."""
