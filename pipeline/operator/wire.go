package operator

// The requests and answers that travel over the socket, beside those of package
// pipeline. Their field names are part of the interface.

type wireError struct {
	Error string `json:"error"`
}

type wireClear struct {
	Type      string `json:"type"`
	RequestID string `json:"request_id"`
}
