"""What a finished run tells: the gate's history as numbers, and the page that shows it all."""
