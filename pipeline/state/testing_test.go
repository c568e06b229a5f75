package state_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// file makes a file of schema 1 of a payload, which may be anything.
func file(payload string) string {
	return fmt.Sprintf("{\"otelnpd_state\":1,\"sha256\":\"%x\",\"payload\":%s}\n", sha256.Sum256([]byte(payload)), payload)
}

func errorsIsOne(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
