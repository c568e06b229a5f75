package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// read takes the one JSON value of a request; form shows what it looks like.
func read[T any](r *http.Request, form string) (request T, err error) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return request, fmt.Errorf("read the request: %w; send %s", err, form)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return request, errors.New("the request holds more than one JSON value")
	}
	return request, nil
}

func readClear(r *http.Request) (wireClear, error) {
	request, err := read[wireClear](r, `{"type": CONDITION, "request_id": ID}`)
	if err != nil {
		return request, err
	}
	return request, errors.Join(checkWord("type", request.Type), checkWord("request_id", request.RequestID))
}

func readSilence(r *http.Request) (wireSilence, error) {
	request, err := read[wireSilence](r, `{"rule": RULE, "for": "2h", "request_id": ID}`)
	if err != nil {
		return request, err
	}
	if request.silence, err = ParseSilence(request.For); err != nil {
		err = fmt.Errorf("for: %w", err)
	}
	return request, errors.Join(checkWord("rule", request.Rule), err, checkWord("request_id", request.RequestID))
}

func readUnsilence(r *http.Request) (wireUnsilence, error) {
	request, err := read[wireUnsilence](r, `{"rule": RULE, "request_id": ID}`)
	if err != nil {
		return request, err
	}
	return request, errors.Join(checkWord("rule", request.Rule), checkWord("request_id", request.RequestID))
}

func readReload(r *http.Request) (wireReload, error) {
	request, err := read[wireReload](r, `{"request_id": ID}`)
	if err != nil {
		return request, err
	}
	return request, checkWord("request_id", request.RequestID)
}

// maxWord bounds the words of a request; the agent knows no longer ones.
const maxWord = 316

func checkWord(key, word string) error {
	if word == "" || len(word) > maxWord {
		return fmt.Errorf("%s has %d bytes: write 1 to %d", key, len(word), maxWord)
	}
	for _, r := range word {
		if r <= ' ' || r >= 0x7f {
			return fmt.Errorf("%s %q: write letters, digits and punctuation only", key, word)
		}
	}
	return nil
}

func reply(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here is an operator who has gone.
	_, _ = w.Write(append(text, '\n'))
}

func fail(w http.ResponseWriter, code int, err error) {
	reply(w, code, wireError{Error: err.Error()})
}
