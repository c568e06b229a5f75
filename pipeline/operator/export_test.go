package operator

import (
	"net/http"
	"time"
)

// Asked is what a request says.
type Asked struct {
	Words   []string
	Silence time.Duration
}

// Readers are what reads requests, by path.
func Readers() map[string]func(*http.Request) (Asked, error) {
	return map[string]func(*http.Request) (Asked, error){
		pathClear: func(r *http.Request) (Asked, error) {
			request, err := readClear(r)
			return Asked{Words: []string{request.Type, request.RequestID}}, err
		},
		pathSilence: func(r *http.Request) (Asked, error) {
			request, err := readSilence(r)
			return Asked{Words: []string{request.Rule, request.RequestID}, Silence: request.silence}, err
		},
		pathUnsilence: func(r *http.Request) (Asked, error) {
			request, err := readUnsilence(r)
			return Asked{Words: []string{request.Rule, request.RequestID}}, err
		},
		pathReload: func(r *http.Request) (Asked, error) {
			request, err := readReload(r)
			return Asked{Words: []string{request.RequestID}}, err
		},
	}
}

// PathSilence is the path of a request to silence a rule.
const PathSilence = pathSilence
