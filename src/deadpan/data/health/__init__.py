"""What is measured of a data set, one question a file."""
