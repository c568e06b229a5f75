package apiserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Node is what the agent needs of a Node.
type Node struct {
	// UID tells this Node from another of the same name.
	UID string
	// BootID is status.nodeInfo.bootID, which the kubelet writes; empty: it has
	// not yet.
	BootID string
	// Conditions are all conditions, of any type, as they stand.
	Conditions []condition.NodeCondition
}

// Node reads the Node of a name, as it is in etcd at this moment.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	op := &operation{
		what: fmt.Sprintf("reading the Node %q", name), verb: "GET", resource: "nodes",
		build: func(client *rest.RESTClient) *rest.Request {
			return client.Get().Resource("nodes").Name(name)
		},
	}
	var node *Node
	err := c.do(ctx, op, func(body []byte) (err error) {
		node, err = decodeNode(body)
		return err
	})
	return node, err
}

// nodeAnswer is what is read of a Node. Its other fields cannot spoil the
// reading.
type nodeAnswer struct {
	objectAnswer
	Status struct {
		Conditions []conditionAnswer `json:"conditions"`
		NodeInfo   struct {
			BootID string `json:"bootID"`
		} `json:"nodeInfo"`
	} `json:"status"`
}

// objectAnswer is what is read of any object, whole or only its metadata.
type objectAnswer struct {
	Kind     string `json:"kind"`
	Metadata struct {
		UID string `json:"uid"`
	} `json:"metadata"`
}

func decodeNode(body []byte) (*Node, error) {
	var answer nodeAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Kind != "Node" {
		return nil, fmt.Errorf("kind %q is not Node", answer.Kind)
	}
	if answer.Metadata.UID == "" {
		return nil, errNoUID
	}
	node := &Node{UID: answer.Metadata.UID, BootID: answer.Status.NodeInfo.BootID}
	for i := range answer.Status.Conditions {
		node.Conditions = append(node.Conditions, nodeCondition(&answer.Status.Conditions[i]))
	}
	return node, nil
}

var errNoUID = errors.New("there is no metadata.uid")

// conditionAnswer is a condition of a Node. Its times are null where they are not known.
type conditionAnswer struct {
	Type               string                   `json:"type"`
	Status             pipeline.ConditionStatus `json:"status"`
	LastHeartbeatTime  time.Time                `json:"lastHeartbeatTime"`
	LastTransitionTime time.Time                `json:"lastTransitionTime"`
	Reason             string                   `json:"reason"`
	Message            string                   `json:"message"`
}

func nodeCondition(of *conditionAnswer) condition.NodeCondition {
	return condition.NodeCondition{
		Type:               of.Type,
		Status:             of.Status,
		Reason:             of.Reason,
		Message:            of.Message,
		LastTransitionTime: of.LastTransitionTime,
		LastHeartbeatTime:  of.LastHeartbeatTime,
	}
}

// decodeUID reads the uid of an object, or of the metadata of one.
func decodeUID(body []byte) (string, error) {
	var answer objectAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	if answer.Metadata.UID == "" {
		return "", errNoUID
	}
	return answer.Metadata.UID, nil
}
