package integration

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// outageTime is how long the apiserver is down.
func outageTime() time.Duration {
	if os.Getenv("OTELNPD_SOAK") == "1" {
		return 10 * time.Minute
	}
	return 20 * time.Second
}

// The apiserver is really stopped: while one agent runs, and
// when another starts, whose Node shows a deadlock of before.
func (s kubernetesTests) outage(t *testing.T) {
	t.Parallel()
	own := kubernetesTests{k: s.stopped, log: s.log}
	first, second := own.rigOnNode(t), own.rig(t)
	for _, r := range []*rig{first, second} { // no proxy between: connections are refused
		r.settings.Kubernetes = agent.KubernetesKeys(own.k.Kubeconfig(servers.Detector).Write(t))
	}
	before := servers.NodeCondition{Type: deadlock, Status: "True", Reason: dockerHung, Message: "task docker is hung",
		LastHeartbeatTime: time.Now().Truncate(time.Second), LastTransitionTime: time.Now().Add(-time.Minute).Truncate(time.Second)}
	own.k.CreateNode(t, servers.Node{Name: second.settings.Node, BootID: bootID(t), Conditions: []servers.NodeCondition{before}})
	a := first.start(t)
	first.problem(t, "before")
	first.requireProblems(t, "before")

	own.k.Stop(t)
	stopped := time.Now()
	b := second.startDegraded(t)
	hanging := time.Now()
	first.hang(t, "docker")
	hung := time.Now()
	var problems []string
	for i := range 5 {
		problem := fmt.Sprintf("of the outage %d", i)
		problems = append(problems, problem)
		first.problem(t, problem)
		second.problem(t, problem)
		time.Sleep(outageTime() / 6)
	}
	require.Contains(t, waitExporter(t, a, "degraded").Remedy, "kube-apiserver")
	require.Contains(t, waitExporter(t, b, "degraded").Remedy, "kube-apiserver")
	time.Sleep(time.Until(stopped.Add(outageTime())))
	own.k.Start(t)
	up := time.Now()

	is := first.waitCondition(t, "True", dockerHung)
	require.WithinRange(t, is.LastTransitionTime, hanging.Truncate(time.Second), hung.Add(2*time.Second))
	first.requireProblems(t, append([]string{"before"}, problems...)...)
	second.requireProblems(t, problems...)
	t.Logf("all told %s after the apiserver came back from an outage of %s", time.Since(up), up.Sub(stopped))
	waitExporter(t, a, "ok")
	waitExporter(t, b, "ok")
	require.Equal(t, []string{"", "False", "True"}, first.watch.Statuses(t, deadlock))
	second.watch.WaitFor(t, "a heartbeat of the second", 0, func(seen servers.NodeSeen) bool {
		return seen.Condition(deadlock).LastHeartbeatTime.After(before.LastHeartbeatTime)
	})
	require.Equal(t, []string{"True"}, second.watch.Statuses(t, deadlock))
	require.Equal(t, before.LastTransitionTime.UTC(), own.k.Node(t, second.settings.Node).Condition(deadlock).LastTransitionTime)
}

// Whatever goes wrong between the agent and the apiserver, each problem arrives once
// and in order, and no condition is ever wrong.
func (s kubernetesTests) faults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultproxy.Fault{
		"throttled":           faultproxy.Throttled(),
		"internal error":      faultproxy.Failing(http.StatusInternalServerError),
		"bad gateway":         faultproxy.Failing(http.StatusBadGateway),
		"unavailable":         faultproxy.Failing(http.StatusServiceUnavailable),
		"10 seconds late":     {Delay: 10 * time.Second},
		"cut before":          {Cut: faultproxy.CutBefore},
		"cut after":           {Cut: faultproxy.CutAfter},
		"cut in the body":     {Cut: faultproxy.CutBody},
		"connections refused": {Path: "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.rigOnNode(t)
			r.start(t)
			r.problem(t, "before")
			r.requireProblems(t, "before")
			if fault.Path == "refused" {
				r.proxy.Close(t)
			}
			r.proxy.Set(fault)
			r.hang(t, "docker")
			for i := range 3 {
				r.problem(t, fmt.Sprintf("fault %d", i))
				time.Sleep(1200 * time.Millisecond) // Events have whole seconds
			}
			if fault.Path == "refused" {
				r.proxy.Open(t)
			}
			r.proxy.Set()
			was := r.waitCondition(t, "True", dockerHung)
			r.problem(t, "after")
			r.requireProblems(t, "before", "fault 0", "fault 1", "fault 2", "after")
			require.Len(t, r.waitEvents(t, dockerHung, 1), 1)
			require.Equal(t, []string{"", "False", "True"}, r.watch.Statuses(t, deadlock))
			require.Equal(t, was.LastTransitionTime, r.k.Node(t, r.settings.Node).Condition(deadlock).LastTransitionTime)
		})
	}
}
