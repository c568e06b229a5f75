package apiserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// maxTextBytes bounds what an error quotes of an answer.
const maxTextBytes = 1024

// abandoned is the error of a request that was given up by who asked.
func abandoned(err error) *Error {
	return &Error{Kind: Unreachable, Err: err, Remedy: "nothing: the agent is stopping, or had no more time for it"}
}

// foreign is the error of an answer that kube-apiserver does not give.
func foreign(code int, err error) *Error {
	return &Error{
		Kind: ServerError, Code: code, Err: err,
		Remedy: "check that apiserver.server, or the server of the credentials, and any proxy before it lead to kube-apiserver",
	}
}

// classify finds out what is wrong with a request; nil: nothing.
func classify(ctx context.Context, op *operation, seen sight, body []byte, err error) *Error {
	answered := seen.code != 0 && (seen.code < http.StatusOK || seen.code > http.StatusPartialContent)
	switch {
	case err == nil:
		return nil
	case answered:
		failure := op.refusal(seen.code, newRefusal(body))
		failure.RetryAfter = seen.retryAfter
		return failure
	case ctx.Err() != nil:
		return abandoned(context.Cause(ctx))
	}
	// The verb and URL that net/http puts before it say nothing new.
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	if seen.started.IsZero() {
		return notSent(err)
	}
	return noAnswer(seen, err)
}

// notSent is the error of a request that did not get as far as the connection.
func notSent(err error) *Error {
	// These are the words of k8s.io/client-go/plugin/pkg/client/auth/exec.
	if errors.Is(err, errPluginHangs) || strings.HasPrefix(err.Error(), "getting credentials: ") {
		return noCredentials(err, "run the exec plugin of the kubeconfig by hand, as the agent's user and without a terminal, and mend what it complains about")
	}
	return &Error{Kind: Refused, Err: err, Remedy: "mend the name that is complained about"}
}

// noAnswer is the error of a request without an answer, or with half of one.
func noAnswer(seen sight, err error) *Error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return foreign(seen.code, fmt.Errorf("the answer has more than %d bytes", tooLarge.Limit))
	}
	return &Error{Kind: Unreachable, Err: err, Remedy: reachRemedy(err)}
}

func reachRemedy(err error) string {
	plain := tls.RecordHeaderError{}
	switch {
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return "write http:// in place of https://, or the port that speaks TLS"
	case rejected(err):
		return "renew the client certificate of the credentials: the server does not take it"
	case certificateFailed(err):
		return "give the credentials the CA of the server's certificate, and use a server name that the certificate has"
	case errors.Is(err, context.DeadlineExceeded):
		return "look at the load of kube-apiserver and at the way to it; raise apiserver.timeout if it is only slow"
	}
	return "check that kube-apiserver runs, and that this node reaches it: address, routes, DNS, firewall, proxy"
}

// rejected tells whether the server ended TLS with an alert, which crypto/tls
// has no exported type for. It is nearly always about the client's certificate.
func rejected(err error) bool {
	alert := (*net.OpError)(nil)
	return errors.As(err, &alert) && alert.Op == "remote error"
}

// certificateFailed tells whether one side did not trust the other's
// certificate: then both are worth reading anew.
func certificateFailed(err error) bool {
	untrusted := (*tls.CertificateVerificationError)(nil)
	return errors.As(err, &untrusted) || rejected(err)
}

// refusal is the body of an answer that is an error.
type refusal struct {
	status *metav1.Status // nil: it is no Status, as all of Kubernetes itself but 429 is
	text   string
}

func newRefusal(body []byte) refusal {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" && status.Message != "" {
		return refusal{status: &status, text: excerpt(status.Message)}
	}
	return refusal{text: excerpt(string(body))}
}

// excerpt is a text that fits into an error.
func excerpt(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxTextBytes {
		text = strings.ToValidUTF8(text[:maxTextBytes], "") + "…"
	}
	return terminal.Text(text)
}

// refusal makes the error of an answer that is none of success.
func (o *operation) refusal(code int, answer refusal) *Error {
	text := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if answer.text != "" {
		text += ": " + answer.text
	}
	err := errors.New(text)
	kind := o.kind(code, answer)
	if kind == ServerError && code < 500 {
		return foreign(code, err)
	}
	return &Error{Kind: kind, Code: code, Err: err, Remedy: o.remedy(kind)}
}

func (o *operation) kind(code int, answer refusal) Kind {
	if o.verb == http.MethodPatch && answer.uidChanged() {
		return UIDChanged
	}
	switch code {
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusConflict:
		return Conflict
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return ServerError
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed:
		if answer.status == nil {
			return ServerError // of a proxy, or of a server that speaks TLS
		}
	}
	switch {
	case code == http.StatusNotFound:
		return NotFound
	case code >= 400 && code < 500:
		return Refused
	}
	return ServerError
}

// uidChanged tells whether it is the uid of the patch that does not fit: 422
// with a cause at metadata.uid, or a failed precondition.
func (r refusal) uidChanged() bool {
	if r.status == nil {
		return false
	}
	details := r.status.Details
	switch r.status.Reason {
	case metav1.StatusReasonConflict:
		return strings.Contains(r.status.Message, "UID in precondition")
	case metav1.StatusReasonInvalid:
		// A server that leaves the details out still names the field.
		return strings.Contains(r.status.Message, "metadata.uid: ") || details != nil &&
			slices.ContainsFunc(details.Causes, func(cause metav1.StatusCause) bool { return cause.Field == "metadata.uid" })
	default:
		return false
	}
}

func (o *operation) remedy(kind Kind) string {
	switch kind {
	case Unauthorized:
		return "renew the token or certificate of the agent's credentials: the server does not know it"
	case Forbidden:
		if o.verb == verbList {
			return "take credentials that may list nodes, those of an administrator for example"
		}
		return fmt.Sprintf("bind the ClusterRole system:node-problem-detector to the agent's user, which lets it %s %s, or mend the admission policy that denies it", o.right(), o.resource)
	case NotFound:
		if o.resource == "events" {
			return "make the namespace, or set another in events.namespace"
		}
		return "register the Node, or set service.node (or $NODE_NAME) to the name that kubectl get nodes shows"
	case UIDChanged, Conflict:
		return "nothing: the agent tries again"
	case Throttled:
		return "nothing for a moment; if it stays, give the agent a FlowSchema of its own or find out who else loads kube-apiserver"
	case ServerError:
		return "look at kube-apiserver and etcd, and at any proxy before them"
	default:
		return "read what the server says about it; if nothing of the cluster explains it, report this as a bug"
	}
}

// right is the RBAC verb of the request.
func (o *operation) right() string {
	switch o.verb {
	case http.MethodPut:
		return "create and update"
	default:
		return strings.ToLower(o.verb)
	}
}
