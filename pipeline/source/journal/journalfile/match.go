package journalfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxMatch bounds a FIELD=value that is asked for.
const maxMatch = 64 << 10

// Matches are FIELD=value pairs that entries are chosen by: of several with the same
// field an entry has one at least, of several fields one of each. Without any, all
// entries match.
type Matches []string

// Validate reports what is no FIELD=value.
func (m Matches) Validate() error {
	var errs []error
	for _, match := range m {
		name, _, found := strings.Cut(match, "=")
		switch {
		case !found || !IsFieldName(name):
			errs = append(errs, fmt.Errorf("%q is no match: write FIELD=value, for example _TRANSPORT=kernel", match))
		case len(match) > maxMatch:
			errs = append(errs, fmt.Errorf("the match of %s has more than %d bytes", name, maxMatch))
		}
	}
	return errors.Join(errs...)
}

// IsFieldName tells whether a field of the journal can have that name: A to Z, 0 to
// 9, underscores, no digit first, 64 characters at most.
func IsFieldName(name string) bool {
	if name == "" || len(name) > 64 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// hold tells whether an entry matches.
func (m Matches) hold(e *Entry) bool {
	for i, match := range m {
		name := match[:strings.IndexByte(match, '=')+1]
		first := slices.IndexFunc(m, func(other string) bool { return strings.HasPrefix(other, name) })
		if first == i && !slices.ContainsFunc(m[i:], func(other string) bool {
			return strings.HasPrefix(other, name) && e.has(other)
		}) {
			return false
		}
	}
	return true
}

// has tells whether the entry has FIELD=value.
func (e *Entry) has(match string) bool {
	for _, s := range e.fields {
		if s.end-s.start == len(match) && string(e.text[s.start:s.end]) == match {
			return true
		}
	}
	return false
}

// sequence is a list of entries' offsets, ascending.
type sequence interface {
	// after returns the first behind an offset; 0: none yet.
	after(offset uint64) (uint64, error)
	// before returns the last ahead of an offset; 0: there is none.
	before(offset uint64) (uint64, error)
}

// sequence makes the list of what matches.
func (f *File) sequence(matches Matches) sequence {
	wanted := slices.Clone(matches)
	slices.Sort(wanted)
	var fields intersection
	var last []byte
	var values union
	for _, match := range slices.Compact(wanted) {
		name := []byte(match[:strings.IndexByte(match, '=')+1])
		if len(values) > 0 && !bytes.Equal(name, last) {
			fields, values = append(fields, values), nil
		}
		values, last = append(values, &chain{file: f, want: []byte(match)}), name
	}
	if len(values) > 0 {
		fields = append(fields, values)
	}
	switch len(fields) {
	case 0:
		return f.all
	case 1:
		return fields[0]
	default:
		return fields
	}
}

// union is what is in one of the chains at least.
type union []*chain

func (u union) after(offset uint64) (first uint64, err error) {
	for _, c := range u {
		next, err := c.after(offset)
		if err != nil {
			return 0, err
		}
		if next != 0 && (first == 0 || next < first) {
			first = next
		}
	}
	return first, nil
}

func (u union) before(offset uint64) (last uint64, err error) {
	for _, c := range u {
		next, err := c.before(offset)
		if err != nil {
			return 0, err
		}
		last = max(last, next)
	}
	return last, nil
}

// intersection is what is in all of the sequences.
type intersection []sequence

func (s intersection) after(offset uint64) (uint64, error) {
	want, agreed := offset+1, 0
	for i := 0; agreed < len(s); i = (i + 1) % len(s) {
		next, err := s[i].after(want - 1)
		if err != nil || next == 0 {
			return 0, err
		}
		if next == want {
			agreed++
		} else {
			want, agreed = next, 1
		}
	}
	return want, nil
}

func (s intersection) before(offset uint64) (uint64, error) {
	want, agreed := offset-1, 0
	for i := 0; agreed < len(s); i = (i + 1) % len(s) {
		next, err := s[i].before(want + 1)
		if err != nil || next == 0 {
			return 0, err
		}
		if next == want {
			agreed++
		} else {
			want, agreed = next, 1
		}
	}
	return want, nil
}
