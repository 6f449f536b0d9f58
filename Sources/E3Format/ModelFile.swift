import CE3
