"""What all pages and figures share: one page environment, one look, one kind of panel."""
