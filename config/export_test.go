package config

// File is the shape of the file, for the test of its comments.
type File = file
