"""The studio, ``deadpan studio``: runs and recordings of one folder, in a browser and as JSON."""
