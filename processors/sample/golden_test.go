package sample_test

// golden are the lines of 100 that a ratio of 0.1 lets pass.
var golden = []string{"line 5", "line 16", "line 23", "line 40", "line 43", "line 50", "line 63", "line 95"}
