package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// ownNetwork makes the network of a helper its own.
func ownNetwork() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
}

func needsTools(t *testing.T, tools ...string) {
	t.Helper()
	needsRoot(t)
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			require.NotEqual(t, "true", os.Getenv("CI"), "this test needs %s in CI", tool)
			t.Skipf("needs %s", tool)
		}
	}
}

// In a network namespace of its own the agent must not take its own figures for those
// of the host.
func TestOwnNetworkNamespace(t *testing.T) {
	got := again(t, "report", ownNetwork())
	for _, line := range []string{
		"conntrack - unknown: the agent is not in the host's network namespace",
		"neighbours - unknown: the agent is not in the host's network namespace",
		"iptables_mix/warn - unknown: the agent is not in the host's network namespace",
		"conntrack is degraded: the agent is not in the host's network namespace; run the agent in the host's network namespace (hostNetwork: true)",
	} {
		require.Contains(t, got, line)
	}
	// A sysfs shows the namespace in which it was mounted.
	require.Contains(t, got, "link_down/warn - unknown: /sys shows the network links of a container, not those of the host")
	require.NotContains(t, got, "conntrack - ok")
}

func TestRealLinks(t *testing.T) {
	needsTools(t, "ip")
	got := again(t, "links", ownNetwork())
	for _, line := range []string{
		"default: \n", // loopback and the ends of pairs are no hardware
		"turned off: link_down/warn np0 ok: np0 is turned off\n",
		"on: link_down/warn np0 ok: np0 has a carrier\n",
		"lost: link_down/warn np0 problem: np0 has lost its carrier, limit 1\n",
		"restarted: link_down/warn np0 problem: np0 has lost its carrier, limit 1\n",
		"gone: \n",
	} {
		require.Contains(t, got, line)
	}
	require.Regexp(t, `before: link_flaps/warn np0 ok: the carrier of np0 changed 0 times in 0s\n`, got)
	require.Regexp(t, `flapping: link_flaps/warn np0 problem: the carrier of np0 changed 12 times in 30s, limit 10\n`, got)
	require.Regexp(t, `later: link_flaps/warn np0 ok: the carrier of np0 changed 0 times in 10m0s\n`, got)
}

func driveLinks() error {
	dir := filepath.Join(os.Getenv("OTELNPD_TEST_DIR"), "sys")
	if err := errors.Join(os.Mkdir(dir, 0o755), mount("sysfs", dir, "sysfs", "")); err != nil {
		return err
	}
	clock := pipelinetest.NewClock(pipeline.SystemClock{}.Now())
	newHere := func() *system {
		host := pipeline.DefaultHost()
		host.Sys = dir
		return newSystem(pipeline.Settings{Host: host, Clock: clock})
	}
	config := all()
	config.LinkDown.Interfaces, config.LinkFlaps.Interfaces = []string{"np?"}, []string{"np?"}
	look := func(when string, config *Config, s *system, name string) {
		for _, one := range config.entries() {
			if one.name == name {
				c := one.open(0, s)
				fmt.Println(when + ": " + strings.Join(told(c.Run(context.Background())), "\n"))
			}
		}
	}
	ip := func(args string) error { return command("ip", strings.Fields(args)...) }
	s := newHere()
	down := func(when string) { look(when, config, s, "link_down") }
	flaps := func(when string) { look(when, config, s, "link_flaps") }
	err := errors.Join(ip("link add np0 type veth peer name peer0"), ip("link set peer0 up"))
	look("default", all(), s, "link_down")
	down("turned off")
	err = errors.Join(err, ip("link set np0 up"))
	down("on")
	flaps("before")
	err = errors.Join(err, ip("link set peer0 down"))
	down("lost")
	s2 := s
	s = newHere()
	err = errors.Join(err, ip("link set peer0 up"), ip("link set peer0 down")) // it has had one, as the kernel counts
	down("restarted")
	s = s2
	for range 4 {
		err = errors.Join(err, ip("link set peer0 up"), ip("link set peer0 down"))
	}
	err = errors.Join(err, ip("link set peer0 up"))
	clock.Advance(30 * time.Second)
	flaps("flapping")
	clock.Advance(10 * time.Minute)
	flaps("then")
	clock.Advance(10 * time.Minute)
	flaps("later")
	err = errors.Join(err, ip("link del np0"))
	down("gone")
	return err
}

// Rules of both kinds, made by the real programs.
func TestRealIPTables(t *testing.T) {
	needsTools(t, "iptables-legacy", "iptables-nft", "ip6tables-nft", "nft")
	got := again(t, "iptables", ownNetwork())
	require.Equal(t, strings.Join([]string{
		"nothing: 0 there are no legacy iptables rules",
		"nft: 0 there are no legacy iptables rules",
		"a legacy table without rules: 0 there are no legacy iptables rules",
		"both: 1 there are both legacy iptables rules (in nat) and nft ones (in filter)",
		"legacy: 0 there are legacy iptables rules alone: in nat",
		"another's tables: 0 there are legacy iptables rules alone: in nat",
		"IPv6: 1 there are both legacy iptables rules (in nat) and nft ones (in ip6 mangle)",
		"without rights: operation not permitted", "",
	}, "\n"), got)
}

func driveIPTables() error {
	s, err := here(os.Getenv("OTELNPD_TEST_DIR"))
	if err != nil {
		return err
	}
	run := func(line string) {
		name, args, _ := strings.Cut(line, " ")
		err = errors.Join(err, command(name, strings.Fields(args)...))
	}
	look := func(when string) {
		m, failed := s.measureIPTables()
		if err = errors.Join(err, failed); failed == nil {
			fmt.Println(when+":", m.figures[0].value, m.figures[0].text)
		}
	}
	look("nothing")
	run("iptables-nft -A INPUT -j ACCEPT")
	look("nft")
	run("iptables-legacy -t nat -L -n")
	look("a legacy table without rules")
	run("iptables-legacy -t nat -A POSTROUTING -j MASQUERADE")
	look("both")
	run("iptables-nft -F INPUT")
	look("legacy")
	run("nft add table ip kube-proxy")
	run("nft add chain ip kube-proxy services")
	run("nft add rule ip kube-proxy services accept")
	run("nft add table inet filter")
	run("nft add chain inet filter x")
	run("nft add rule inet filter x accept")
	look("another's tables")
	run("ip6tables-nft -t mangle -A INPUT -j ACCEPT")
	look("IPv6")
	other := nobody(os.Getppid())
	if failed := unix.Setresuid(other, other, other); failed != nil {
		return errors.Join(err, failed)
	}
	_, failed := s.kernel.nftTables()
	fmt.Println("without rights:", failed)
	return err
}

// The kernel counts what routing daemons and operators have put in, too.
func TestRealNeighbours(t *testing.T) {
	needsTools(t, "ip")
	require.Equal(t, "0 <nil>\n3 <nil>\n1 <nil>\n", again(t, "neighbours", ownNetwork()))
}

func driveNeighbours() error {
	fmt.Println(exemptNeighbours(unix.AF_INET))
	var err error
	for _, args := range []string{
		"link add np0 type veth peer name peer0", "link set peer0 up", "link set np0 up", "address add 192.0.2.1/24 dev np0",
		"neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev np0 nud permanent", "neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 dev np0 nud permanent",
		"neigh add 192.0.2.4 lladdr 02:00:00:00:00:04 dev np0 nud reachable extern_learn", "neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev np0 nud reachable",
		"neigh add 2001:db8::2 lladdr 02:00:00:00:00:05 dev np0 nud permanent",
	} {
		err = errors.Join(err, command("ip", strings.Fields(args)...))
	}
	fmt.Println(exemptNeighbours(unix.AF_INET))
	fmt.Println(exemptNeighbours(unix.AF_INET6))
	return err
}
