package checks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// DNSConfig is for how many seconds the node waits for the answer to a DNS lookup: one
// without an answer, or with one that says that there is no such address, counts as
// the timeout. Each name is an instance. Name servers are asked in turn, as a resolver
// does. It is off, since nobody else knows which name must be found.
type DNSConfig struct {
	Base `yaml:",inline"`
	// Names are looked up as they are written, without a search list.
	Names []string `yaml:"names"`
	// Servers are name servers, ADDRESS or ADDRESS:PORT; none: those in the host's
	// /etc/resolv.conf.
	Servers []string `yaml:"servers"`
	// Timeout is how long each lookup may take in all, 100ms to 15s.
	Timeout time.Duration `yaml:"timeout"`
}

func defaultDNS() DNSConfig {
	return DNSConfig{
		Base: Base{
			Condition: "DNSProblem",
			Warn:      Limit{Enter: 2, Leave: 1, For: 2 * time.Minute, Reason: "DNSSlow"},
			Fail:      Limit{Enter: 5, Leave: 4, For: time.Minute, Reason: "DNSUnreachable"},
		},
		Timeout: 5 * time.Second,
	}
}

func (c *DNSConfig) entry() entry {
	return entry{
		name: "dns", class: "dns-failure", unit: seconds, base: &c.Base, asks: c, instances: true,
		// Names cannot be looked up from the node, or that takes too long.
		// Remedy: see the servers in /etc/resolv.conf, the way to them, and the cluster's DNS Pods.
		brings:   healthyType("DNSProblem", "DNSWorks", "names can be looked up"),
		validate: c.validate,
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return c.measure(ctx, s) }
		},
	}
}

const (
	minLookup = 100 * time.Millisecond
	maxLookup = 15 * time.Second // a look of a check has little more
	maxNames  = 16
)

func (c *DNSConfig) validate() error {
	var errs []error
	at := func(key, format string, args ...any) {
		errs = append(errs, pipeline.At(key, fmt.Errorf(format, args...)))
	}
	if c.Enabled && len(c.Names) == 0 {
		at("names", "is empty: write at least one name, for example kubernetes.default.svc.cluster.local")
	}
	if len(c.Names) > maxNames {
		at("names", "has %d names, at most %d are allowed", len(c.Names), maxNames)
	}
	for i, name := range c.Names {
		if _, err := question4(name); err != nil {
			at(fmt.Sprintf("names[%d]", i), "%q is no name: %w", name, err)
		}
	}
	for i, server := range c.Servers {
		if _, err := parseServer(server); err != nil {
			at(fmt.Sprintf("servers[%d]", i), "%q is no name server: write ADDRESS or ADDRESS:PORT", server)
		}
	}
	if c.Timeout < minLookup || c.Timeout > maxLookup {
		at("timeout", "%s is out of range: write %s to %s", c.Timeout, minLookup, maxLookup)
	}
	for key, limit := range map[string]*Limit{"warn.enter": &c.Warn, "fail.enter": &c.Fail} {
		if limit.Enter > c.Timeout.Seconds() {
			at(key, "%s is more than timeout, %s: write less", seconds.text(limit.Enter), c.Timeout)
		}
	}
	return errors.Join(errs...)
}

func parseServer(text string) (netip.AddrPort, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(address, dnsPort), nil
	}
	return netip.ParseAddrPort(text)
}

func (c *DNSConfig) measure(ctx context.Context, s *system) (measured, error) {
	servers, err := c.nameServers(s)
	if err != nil {
		return measured{}, err
	}
	m := measured{complete: true, figures: make([]figure, len(c.Names))}
	done := make(chan struct{})
	for i, name := range c.Names {
		go func() {
			m.figures[i] = c.figure(ctx, name, servers)
			done <- struct{}{}
		}()
	}
	for range c.Names {
		<-done
	}
	return m, ctx.Err()
}

// nameServers are those to ask. Addresses of the node itself (a resolver's stub) are
// the node's only in its network namespace.
func (c *DNSConfig) nameServers(s *system) (servers []netip.AddrPort, err error) {
	if len(c.Servers) > 0 {
		for _, one := range c.Servers {
			server, err := parseServer(one)
			if err != nil {
				return nil, err
			}
			servers = append(servers, server)
		}
		return servers, nil
	}
	text, err := s.view().ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil, hostview.NewBlind("learn the host's name servers: "+err.Error(), "mount the host's / and set service.host.root, or write dns.servers")
	}
	if servers = parseResolvConf(text); len(servers) == 0 {
		// What resolv.conf(5) says of one that names none.
		servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)}
	}
	for _, one := range servers {
		if one.Addr().IsLoopback() {
			return servers, s.view().SeesNetwork()
		}
	}
	return servers, nil
}

func (c *DNSConfig) figure(ctx context.Context, name string, servers []netip.AddrPort) figure {
	begun := time.Now()
	server, err := lookup(ctx, name, servers, c.Timeout)
	took := time.Since(begun)
	if err != nil {
		return figure{instance: name, value: c.Timeout.Seconds(), text: fmt.Sprintf("the lookup of %s failed after %s: %v", name, took.Round(time.Millisecond), err)}
	}
	return figure{instance: name, value: min(took, c.Timeout).Seconds(), text: fmt.Sprintf("the lookup of %s took %s, %s answered", name, took.Round(time.Millisecond), server)}
}

// lookup asks the servers in turn for the addresses of a name, until one knows
// (RFC 1035). Each may take its part of the time.
func lookup(ctx context.Context, name string, servers []netip.AddrPort, timeout time.Duration) (server netip.AddrPort, err error) {
	query, err := question4(name)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var failed []string
	for _, server := range servers {
		err := ask(ctx, server, query, timeout/time.Duration(len(servers)))
		if err == nil {
			return server, nil
		}
		failed = append(failed, fmt.Sprintf("%s: %v", server, err))
		if errors.Is(err, errNoName) {
			break // it has been answered
		}
	}
	return netip.AddrPort{}, errors.New(strings.Join(failed, "; "))
}

// question4 is what asks for the IPv4 addresses of a name.
func question4(name string) (dnsmessage.Message, error) {
	if name == "" || name[len(name)-1] != '.' {
		name += "."
	}
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return dnsmessage.Message{}, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(rand.Uint32()), RecursionDesired: true}, //nolint:gosec // nobody trusts the answer
		Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	if name == "." {
		return m, errors.New("it is empty")
	}
	_, err = m.Pack()
	return m, err
}

// maxAnswer is what fits a UDP datagram that was not negotiated (RFC 1035, 4.2.1),
// and far more than that for servers that send it anyway.
const maxAnswer = 4096

// ask sends a query and waits for its answer.
func ask(ctx context.Context, server netip.AddrPort, query dnsmessage.Message, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	packed, err := query.Pack()
	if err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", server.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(packed); err != nil {
		return err
	}
	buffer := make([]byte, maxAnswer)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("there was no answer within %s", timeout)
			}
			return err
		}
		if isAnswer(buffer[:n], query.ID) {
			return judgeAnswer(buffer[:n])
		}
	}
}

// isAnswer tells whether a datagram answers our question: others may be late.
func isAnswer(message []byte, id uint16) bool {
	return len(message) >= 3 && binary.BigEndian.Uint16(message) == id && message[2]&0x80 != 0
}

var errNoName = errors.New("there is no such name")

// judgeAnswer returns nil if there is an address in it. An answer that was cut, since
// it does not fit a datagram, has more than enough.
func judgeAnswer(message []byte) error {
	var p dnsmessage.Parser
	head, err := p.Start(message)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch head.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return errNoName
	default:
		return fmt.Errorf("the server says %s", head.RCode)
	}
	if head.Truncated {
		return nil
	}
	if err := p.SkipAllQuestions(); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	for {
		resource, err := p.AnswerHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return fmt.Errorf("%w with an IPv4 address", errNoName)
		case err != nil:
			return fmt.Errorf("read the answer: %w", err)
		case resource.Type == dnsmessage.TypeA:
			return nil
		}
		if err := p.SkipAnswer(); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
	}
}
