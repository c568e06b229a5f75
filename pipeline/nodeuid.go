package pipeline

import (
	"context"
	"sync"
)

// NodeUID is the UID that Kubernetes has given the Node: who reads the Node tells it to
// all others. Its methods are safe for concurrent use, and do nothing on nil.
type NodeUID struct {
	mu   sync.Mutex
	uid  string
	told chan struct{} // closed once it is told; nil: nobody is going to
}

// Expect says that the Node is going to be read, so that the UID is worth a wait.
func (n *NodeUID) Expect() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told == nil {
		n.told = make(chan struct{})
	}
}

// Tell says what the UID is. A Node that is made anew has another.
func (n *NodeUID) Tell(uid string) {
	if n == nil || uid == "" {
		return
	}
	n.Expect()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.uid == "" {
		close(n.told)
	}
	n.uid = uid
}

// Await returns the UID once it is told. wanted is false where nobody is expected to
// tell it; the UID is empty where nobody has before ctx ended.
func (n *NodeUID) Await(ctx context.Context) (uid string, wanted bool) {
	if n == nil {
		return "", false
	}
	n.mu.Lock()
	told := n.told
	n.mu.Unlock()
	if told == nil {
		return "", false
	}
	select {
	case <-told:
	case <-ctx.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.uid, true
}
