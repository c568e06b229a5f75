package apiserver

import (
	"context"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
)

// acceptMetadataList asks for the metadata of the objects of a list alone.
const acceptMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

// verbList is what RBAC calls the reading of a list.
const verbList = "LIST"

// nodesAtOnce is how many Nodes are asked for in one request: few enough that the metadata
// of Nodes with hundreds of labels and owners of fields fits into an answer.
const nodesAtOnce = 100

// NodeNames returns the names of all Nodes. It needs the right to list nodes, which an
// agent does not have: it is for an operator.
func (c *Client) NodeNames(ctx context.Context) (names []string, err error) {
	for token := ""; ; {
		var page nodeList
		if page, err = c.nodeList(ctx, token); err != nil {
			return nil, err
		}
		for i := range page.Items {
			names = append(names, page.Items[i].Metadata.Name)
		}
		if token = page.Metadata.Continue; token == "" {
			return names, nil
		}
	}
}

// nodeList is what is read of a part of the list of Nodes.
type nodeList struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	} `json:"items"`
}

func (c *Client) nodeList(ctx context.Context, token string) (page nodeList, err error) {
	op := &operation{
		what: "listing the Nodes", verb: verbList, resource: "nodes",
		build: func(client *rest.RESTClient) *rest.Request {
			request := client.Get().Resource("nodes").SetHeader("Accept", acceptMetadataList).Param("limit", strconv.Itoa(nodesAtOnce))
			if token != "" {
				request = request.Param("continue", token)
			}
			return request
		},
	}
	err = c.do(ctx, op, func(body []byte) (err error) {
		page, err = decodeNodeList(body)
		return err
	})
	return page, err
}

func decodeNodeList(body []byte) (page nodeList, err error) {
	if err := json.Unmarshal(body, &page); err != nil {
		return page, err
	}
	// Who knows no metadata alone answers with the whole Nodes.
	if page.Kind != "PartialObjectMetadataList" && page.Kind != "NodeList" {
		return page, fmt.Errorf("kind %q is not PartialObjectMetadataList or NodeList", page.Kind)
	}
	for i := range page.Items {
		if page.Items[i].Metadata.Name == "" {
			return page, fmt.Errorf("item %d has no metadata.name", i)
		}
	}
	return page, nil
}
