package apiserver

// Limits that tests go beyond.
const (
	MaxAnswerBytes = maxAnswerBytes
	MaxRetryAfter  = maxRetryAfter
)

// DecodeNode and DecodeUID read answers; ReadError the text of an answer that is
// an error.
var (
	DecodeNode = decodeNode
	DecodeUID  = decodeUID
	RetryAfter = retryAfter
)

// ReadError reads the answer to a PATCH that is an error.
func ReadError(code int, body []byte) *Error {
	return (&operation{verb: "PATCH", resource: "nodes/status"}).refusal(code, newRefusal(body))
}

// LookAtFiles makes the next request look whether files have changed.
func (c *Client) LookAtFiles() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.files.hurry()
	}
}
