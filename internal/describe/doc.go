// Package describe makes the JSON Schema and the reference pages of the
// configuration from the types that it is decoded into, their defaults and the
// comments of their fields. Tests run it: the binary has no use for it, and takes
// the schema as a file.
package describe
