"""What a trained model attended to and relied on, as numbers: it computes and shows nothing."""
