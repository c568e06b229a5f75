// Package strictyaml decodes YAML that people write: it takes nothing it does
// not know, reports everything that is wrong at once, and says for each fault
// where it stands, which key it is about and what to write.
//
// Scalars follow the YAML 1.2 core schema, more strictly where a reader could
// be misled: yes and on are text, 010 is refused, a bare number is no duration,
// quoted digits are no number. A field of type string takes every scalar as it
// is written. null leaves the default in place, and so does empty input.
// Aliases and merges (<<) work within bounds; unknown tags, duplicate keys and
// a second document are errors.
//
// Struct fields are set by their yaml tag ("name", "-", ",inline"); a field
// without a tag cannot be configured. Maps take text keys; [Map] keeps their
// order. Types that implement [encoding.TextUnmarshaler] or [Unmarshaler] read
// themselves.
//
// No input makes the package panic. Its values are not safe for concurrent use.
package strictyaml
