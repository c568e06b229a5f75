package operator

import "time"

// The requests and answers that travel over the socket, beside those of package
// pipeline. Their field names are part of the interface.

type wireError struct {
	Error string `json:"error"`
}

type wireClear struct {
	Type      string `json:"type"`
	RequestID string `json:"request_id"`
}

type wireSilence struct {
	Rule      string `json:"rule"`
	For       string `json:"for"` // a Go duration
	RequestID string `json:"request_id"`

	silence time.Duration // what For says
}

type wireUnsilence struct {
	Rule      string `json:"rule"`
	RequestID string `json:"request_id"`
}

type wireReload struct {
	RequestID string `json:"request_id"`
}
