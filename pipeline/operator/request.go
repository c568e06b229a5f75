package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

func readClear(r *http.Request) (wireClear, error) {
	var request wireClear
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return request, fmt.Errorf("read the request: %w; send {\"type\": CONDITION, \"request_id\": ID}", err)
	}
	if decoder.More() {
		return request, errors.New("the request holds more than one JSON value")
	}
	return request, errors.Join(checkWord("type", request.Type), checkWord("request_id", request.RequestID))
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
