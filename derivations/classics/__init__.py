"""Classical results of random matrix theory that the papers stand on, one file per topic."""
