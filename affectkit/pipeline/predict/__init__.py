"""`affectkit predict`: any number of files in, one table of faces out."""
