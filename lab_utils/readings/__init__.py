"""What is to be read in the results of the report's notebooks, and what is missing before they are handed in."""
