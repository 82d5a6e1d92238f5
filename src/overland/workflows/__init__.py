"""One file per verb: each turns named files into arrays and arrays into named files."""
