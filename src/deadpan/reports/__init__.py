"""Reports: they only show what training and analysis computed."""
