package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// acceptMetadata asks for the metadata alone in place of the whole Node; who
// does not know how answers with all of it.
const acceptMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

// Patch is a change of conditions of a Node. Conditions that it does not name
// stay as they are.
type Patch struct {
	// Node is the name of the Node.
	Node string
	// UID is the Node's uid, which must still hold; empty: any.
	UID string
	// Conditions to set, in full.
	Conditions []pipeline.Condition
	// Heartbeat is the lastHeartbeatTime of Conditions.
	Heartbeat time.Time
	// Delete names the types to take away. One that is not there is no error.
	Delete []string
}

// PatchConditions writes conditions to the status of a Node and returns the
// Node's uid. A patch with nothing in it is not sent and returns Patch.UID.
// Types of Kubernetes itself are refused.
func (c *Client) PatchConditions(ctx context.Context, patch Patch) (string, error) {
	if len(patch.Conditions)+len(patch.Delete) == 0 {
		return patch.UID, nil
	}
	what := fmt.Sprintf("patching the status of the Node %q", patch.Node)
	if err := patch.guard(); err != nil {
		return "", &Error{Kind: Refused, Remedy: "report this as a bug", Err: fmt.Errorf("%s: %w", what, err)}
	}
	body, err := json.Marshal(patch.document())
	if err != nil {
		return "", &Error{Kind: Refused, Remedy: "report this as a bug", Err: fmt.Errorf("%s: %w", what, err)}
	}
	op := &operation{
		what: what, verb: "PATCH", resource: "nodes/status",
		build: func(client *rest.RESTClient) *rest.Request {
			return client.Patch(types.StrategicMergePatchType).Resource("nodes").Name(patch.Node).SubResource("status").
				SetHeader("Accept", acceptMetadata).Param("fieldManager", fieldManager).Body(body)
		},
	}
	var uid string
	err = c.do(ctx, op, func(body []byte) (err error) {
		uid, err = decodeUID(body)
		return err
	})
	return uid, err
}

// guard finds what must never reach a Node, whoever made the patch.
func (p *Patch) guard() error {
	seen := map[string]bool{}
	for _, conditionType := range p.types() {
		switch {
		case conditionType == "":
			return errors.New("a condition has no type")
		case condition.IsReserved(conditionType):
			return fmt.Errorf("condition %s belongs to Kubernetes itself", conditionType)
		case seen[conditionType]:
			return fmt.Errorf("condition %s comes twice", conditionType)
		}
		seen[conditionType] = true
	}
	return nil
}

func (p *Patch) types() []string {
	var all []string
	for i := range p.Conditions {
		all = append(all, p.Conditions[i].Type)
	}
	return append(all, p.Delete...)
}

// patchDocument is a strategic merge patch of a Node's conditions, whose merge
// key is type.
type patchDocument struct {
	Metadata struct {
		UID string `json:"uid,omitempty"`
	} `json:"metadata,omitzero"`
	Status struct {
		Conditions []conditionPatch `json:"conditions"`
	} `json:"status"`
}

// conditionPatch sets a condition, or deletes one. It always has all fields of a
// condition, since somebody may have deleted it. A time that is not known is
// left out: null would clear the one that stands.
type conditionPatch struct {
	Directive          string                   `json:"$patch,omitempty"`
	Type               string                   `json:"type"`
	Status             pipeline.ConditionStatus `json:"status,omitempty"`
	LastHeartbeatTime  time.Time                `json:"lastHeartbeatTime,omitzero"`
	LastTransitionTime time.Time                `json:"lastTransitionTime,omitzero"`
	Reason             *string                  `json:"reason,omitempty"`
	Message            *string                  `json:"message,omitempty"`
}

func (p *Patch) document() *patchDocument {
	document := &patchDocument{}
	document.Metadata.UID = p.UID
	for i := range p.Conditions {
		one := &p.Conditions[i]
		document.Status.Conditions = append(document.Status.Conditions, conditionPatch{
			Type: one.Type, Status: one.Status, Reason: &one.Reason, Message: &one.Message,
			LastHeartbeatTime: wholeSeconds(p.Heartbeat), LastTransitionTime: wholeSeconds(one.LastTransitionTime),
		})
	}
	for _, conditionType := range p.Delete {
		document.Status.Conditions = append(document.Status.Conditions, conditionPatch{Directive: "delete", Type: conditionType})
	}
	return document
}

// wholeSeconds is a time as Kubernetes keeps it.
func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
