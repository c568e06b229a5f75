package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Config is the configuration of a component: a struct with yaml tags.
type Config interface {
	// Validate reports all that is wrong, joined. Errors made by [At] name the
	// offending key.
	Validate() error
}

// ConfigAs returns a component's configuration as its factory made it. kind and
// componentType name the component for the error.
func ConfigAs[C Config](config Config, kind, componentType string) (C, error) {
	own, ok := config.(C)
	if !ok {
		return own, fmt.Errorf("configuration of type %T is not for %s %s", config, kind, componentType)
	}
	return own, nil
}

// OneOf checks that a value is one of the allowed words. The empty word may be
// among them, and is not offered.
func OneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	words := slices.DeleteFunc(slices.Clone(allowed), func(word string) bool { return word == "" })
	return fmt.Errorf("%q is unknown: write one of %s", value, strings.Join(words, ", "))
}

// Word is a type of text that takes one of a few words: what checks a value and
// what describes the configuration ask the same list.
type Word interface {
	~string
	// Words are the words that it takes, in the order in which to offer them. The
	// empty word among them says that a value may be empty.
	Words() []string
}

// CheckWord checks that a value is one of its type's words.
func CheckWord[W Word](value W) error { return OneOf(string(value), value.Words()...) }

// FieldError is an error of one key of a component's configuration.
type FieldError struct {
	// Path leads to the key from the component's own configuration: keys joined
	// by dots, list indexes in brackets: rules[3].clear.pattern.
	Path string
	Err  error
}

// Error names the key and what is wrong with it.
func (e *FieldError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the error without the path.
func (e *FieldError) Unwrap() error { return e.Err }

// At ties an error to the key that it is about; nil stays nil. A path in front
// of a FieldError's own is joined to it; joined errors are taken one by one.
func At(path string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, one := range joined.Unwrap() {
			errs = append(errs, At(path, one))
		}
		return errors.Join(errs...)
	}
	if inner, ok := err.(*FieldError); ok { //nolint:errorlint // only the outermost path is extended
		separator := "."
		if strings.HasPrefix(inner.Path, "[") {
			separator = ""
		}
		return &FieldError{Path: path + separator + inner.Path, Err: inner.Err}
	}
	return &FieldError{Path: path, Err: err}
}
