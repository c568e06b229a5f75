// Package state x.
package state
