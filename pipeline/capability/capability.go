// Package capability gives up rights of root that a process does not need:
// capabilities(7).
package capability

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Name is a capability as Kubernetes writes it: SYSLOG for CAP_SYSLOG.
type Name string

// Words are the capabilities that there are.
func (Name) Words() []string {
	words := make([]string, 0, cap.NamedCount)
	for value := range cap.Value(cap.NamedCount) {
		words = append(words, nameOf(value))
	}
	slices.Sort(words)
	return words
}

func nameOf(value cap.Value) string {
	return strings.ToUpper(strings.TrimPrefix(value.String(), "cap_"))
}

// Keep gives up all capabilities of this process but those that are named, in all
// threads and for good: what it starts cannot have more, be it root's own or
// set-user-id. Those that it does not have it does not get. Who has no others needs no
// right to give any up: a filter of system calls may refuse that then.
func Keep(names []Name) error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("promise to gain no privileges: %w", err)
	}
	held := cap.GetProc()
	if err := lowerBound(held, names); err != nil {
		return err
	}
	kept := cap.NewSet()
	for _, flag := range []cap.Flag{cap.Permitted, cap.Effective, cap.Inheritable} {
		for value := range cap.MaxBits() {
			if has, err := held.GetFlag(flag, value); err == nil && has && slices.Contains(names, Name(nameOf(value))) {
				_ = kept.SetFlag(flag, true, value) // it is one that there is
			}
		}
	}
	if more, err := held.Cf(kept); err == nil && more == 0 {
		return nil // there is nothing to give up
	}
	if err := kept.SetProc(); err != nil {
		return fmt.Errorf("give up capabilities, so as to keep %v alone: %w", names, err)
	}
	return nil
}

// lowerBound takes what is not kept out of the bounding set too. Who lacks the right
// to do that has promised to gain nothing.
func lowerBound(held *cap.Set, names []Name) error {
	if may, err := held.GetFlag(cap.Effective, cap.SETPCAP); err != nil || !may {
		return nil //nolint:nilerr // without the right there is nothing to do
	}
	for value := range cap.MaxBits() {
		if slices.Contains(names, Name(nameOf(value))) {
			continue
		}
		if err := cap.DropBound(value); err != nil {
			return fmt.Errorf("take %s out of the bounding set: %w", nameOf(value), err)
		}
	}
	return nil
}
