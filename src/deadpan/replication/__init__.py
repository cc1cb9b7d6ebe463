"""What the paper says of HCT-MG, claim by claim, put to the test."""
