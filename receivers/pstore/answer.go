package pstore

import (
	"errors"
	"fmt"
	"time"
)

// silence is after how long a file system does not answer.
const silence = 10 * time.Second

var errSilent = errors.New("no answer")

// ask does what asks the file system of a path, and has it told when there is no
// answer; what comes after the look is told then takes its place.
func (r *Receiver) ask(path string, question func()) {
	r.answers.Ask(path)
	if r.asking != nil {
		r.asking()
	}
	question()
	r.answers.Answered()
}

func (r *Receiver) tellSilent(path string) {
	r.report(&fault{
		reason: fmt.Sprintf("the file system of %s does not answer", path), err: errSilent,
		remedy: "look at its disk or server; what earlier boots have left is told as soon as it answers",
	})
}
