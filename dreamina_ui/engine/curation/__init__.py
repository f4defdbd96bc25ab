"""What is done with finished videos and good prompts: collections, a shelf, votes, files made of videos."""
