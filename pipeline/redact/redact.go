// Package redact takes out of URLs what is nobody's business, so that errors, logs and
// pages can show the rest.
package redact

import (
	"regexp"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "…"

// web begins a URL whose scheme may be shown. With any other, what stands before "://"
// may be a part of a password.
var web = regexp.MustCompile(`(?i)^https?://`)

// URL returns a URL without user and password, and without what follows the first ? or
// #. It need not be a URL that can be parsed: everything up to the last @ is hidden, and
// all but the scheme where a ? or # stands before that, since both may then be a part of
// a password.
func URL(text string) string {
	scheme := web.FindString(text)
	rest := text[len(scheme):]
	mark, at := strings.IndexAny(rest, "?#"), strings.LastIndexByte(rest, '@')
	switch {
	case mark >= 0 && mark < at:
		return scheme + hidden
	case mark >= 0 && mark+1 < len(rest):
		rest = rest[:mark+1] + hidden
	}
	if at >= 0 {
		return scheme + hidden + rest[at:]
	}
	return scheme + rest
}

// withUser is a URL in a text, from its scheme to the end of the word that the line's
// last @ stands in: a password may hold anything, spaces and quotes too. Without a scheme
// it is one word.
var withUser = regexp.MustCompile(`(?i)(?:[a-z][a-z0-9+.-]*://.*|[^\s"':]+:\S+)@[^\s"']*`)

// Text returns a text of somebody else's, such as a library's error, without users and
// passwords in its URLs. Queries stay: they tell apart the pages that servers refer to.
func Text(text string) string { return withUser.ReplaceAllStringFunc(text, URL) }

// Error returns an error whose text is that of err by [Text], and that wraps err; nil
// for nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return redacted{err}
}

type redacted struct{ err error }

func (r redacted) Error() string { return Text(r.err.Error()) }
func (r redacted) Unwrap() error { return r.err }
