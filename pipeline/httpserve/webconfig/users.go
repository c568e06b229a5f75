package webconfig

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// maxCost bounds what one password costs to check: each step doubles it, and 15 takes
// seconds.
const maxCost = 15

// patience is how long a request waits for others whose passwords are being checked.
const patience = 5 * time.Second

// maxProven bounds the passwords that are remembered as right.
const maxProven = 100

var errBusy = errors.New("too many passwords are being checked")

func checkHash(hash string) error {
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case err != nil:
		return fmt.Errorf("is no bcrypt hash of a password: %w: write what htpasswd -nBC 10 '' prints behind the colon", err)
	case cost > maxCost:
		return fmt.Errorf("costs 2^%d rounds to check: write a hash of cost %d at most", cost, maxCost)
	}
	return nil
}

// door knows the users. It is safe for concurrent use.
type door struct {
	users map[string]string
	// some is the hash by which a password of nobody is checked, so that the time tells
	// nothing about who is known.
	some string
	// turn is had by who checks a password: it takes a processor for a while, and who
	// asks is not known.
	turn chan struct{}

	mu     sync.Mutex
	proven map[[sha256.Size]byte]struct{}
}

func newDoor(users map[string]string) *door {
	d := &door{users: users, turn: make(chan struct{}, 1), proven: map[[sha256.Size]byte]struct{}{}}
	for _, hash := range users {
		d.some = max(d.some, hash)
	}
	return d
}

// open tells whether a user and a password belong together.
func (d *door) open(ctx context.Context, user, password string) (bool, error) {
	hash, known := d.users[user]
	if !known {
		hash = d.some
	}
	attempt := digest(user, password)
	if d.isProven(attempt) {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return false, errBusy
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	<-d.turn
	if err != nil || !known {
		return false, nil
	}
	d.prove(attempt)
	return true, nil
}

func (d *door) isProven(attempt [sha256.Size]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, proven := d.proven[attempt]
	return proven
}

func (d *door) prove(attempt [sha256.Size]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.proven) >= maxProven {
		clear(d.proven)
	}
	d.proven[attempt] = struct{}{}
}

// digest stands for a user and a password, which are not kept.
func digest(user, password string) [sha256.Size]byte {
	text := binary.AppendUvarint(nil, uint64(len(user)))
	return sha256.Sum256(append(append(text, user...), password...))
}
