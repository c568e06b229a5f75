package checks

import (
	"cmp"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a name server on loopback, which answers as it is told to.
type nameServer struct {
	address string
	asked   chan dnsmessage.Question
}

func newNameServer(t *testing.T, answer func(query *dnsmessage.Message) [][]byte) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &nameServer{address: conn.LocalAddr().String(), asked: make(chan dnsmessage.Question, 64)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
				continue
			}
			s.asked <- query.Questions[0]
			for _, message := range answer(&query) {
				_, _ = conn.WriteTo(message, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return s
}

// answered makes an answer to a query.
func answered(query *dnsmessage.Message, change func(*dnsmessage.Message)) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true}, Questions: query.Questions}
	change(&m)
	packed, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

func addressOf(m *dnsmessage.Message) {
	head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 5}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}})
}

func aliasOf(m *dnsmessage.Message) {
	head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 5}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("x.example.")}})
}

func rcode(code dnsmessage.RCode) func(*dnsmessage.Message) {
	return func(m *dnsmessage.Message) { m.RCode = code }
}

// answers makes a server that always answers with the same.
func answers(t *testing.T, changes ...func(*dnsmessage.Message)) *nameServer {
	t.Helper()
	return newNameServer(t, func(query *dnsmessage.Message) [][]byte {
		return [][]byte{answered(query, func(m *dnsmessage.Message) {
			for _, change := range changes {
				change(m)
			}
		})}
	})
}

// unused is an address of loopback where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	return conn.LocalAddr().String()
}

func TestLookups(t *testing.T) {
	silent := newNameServer(t, func(*dnsmessage.Message) [][]byte { return nil })
	good, lost := answers(t, addressOf), answers(t, rcode(dnsmessage.RCodeServerFailure))
	confused := newNameServer(t, func(query *dnsmessage.Message) [][]byte {
		other := *query
		other.ID++
		return [][]byte{
			{}, []byte("x"), answered(&other, rcode(dnsmessage.RCodeNameError)), // of another question
			answered(query, func(m *dnsmessage.Message) { m.Response = false }),
			answered(query, addressOf),
		}
	})
	broken := newNameServer(t, func(query *dnsmessage.Message) [][]byte {
		return [][]byte{append(answered(query, addressOf)[:14], 0xff, 0xff)}
	})
	for name, one := range map[string]struct {
		servers []string
		want    string
		timeout time.Duration // short, where a silent server is waited for; 0: the longest
	}{
		"an address":             {servers: []string{good.address}, want: "ok: the lookup of node.example took "},
		"behind an alias":        {servers: []string{answers(t, aliasOf, addressOf).address}, want: "ok: "},
		"cut":                    {servers: []string{answers(t, func(m *dnsmessage.Message) { m.Truncated = true }).address}, want: "ok: "},
		"beside strangers":       {servers: []string{confused.address}, want: "ok: "},
		"the second knows":       {servers: []string{lost.address, good.address}, want: "ok: "},
		"the first is silent":    {[]string{silent.address, good.address}, "ok: ", 2 * time.Second},
		"the first is not there": {servers: []string{unused(t), good.address}, want: "ok: "},
		"no such name":           {servers: []string{answers(t, rcode(dnsmessage.RCodeNameError)).address, good.address}, want: "there is no such name"},
		"no address":             {servers: []string{answers(t, aliasOf).address}, want: "there is no such name with an IPv4 address"},
		"a failure":              {servers: []string{lost.address}, want: "the server says RCodeServerFailure"},
		"refused":                {servers: []string{answers(t, rcode(dnsmessage.RCodeRefused)).address}, want: "the server says RCodeRefused"},
		"silence": {
			[]string{silent.address, silent.address},
			silent.address + ": there was no answer within 200ms; " + silent.address + ": there was no answer within 200ms", 400 * time.Millisecond,
		},
		"nobody":   {servers: []string{unused(t)}, want: "connection refused"},
		"nonsense": {servers: []string{broken.address}, want: "read the answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			config, timeout := all(), cmp.Or(one.timeout, maxLookup)
			config.DNS.Enabled, config.DNS.Names, config.DNS.Servers = true, []string{"node.example"}, one.servers
			config.DNS.Timeout, config.DNS.Warn = timeout, Limit{}
			config.DNS.Fail.Enter, config.DNS.Fail.Leave = timeout.Seconds(), 0.9*timeout.Seconds()
			got := told(checkOn(t, config, host(), "dns").Run(t.Context()))
			require.Len(t, got, 1)
			require.Contains(t, got[0], one.want)
			if strings.HasPrefix(one.want, "ok: ") {
				require.Contains(t, got[0], "dns node.example ok: the lookup of node.example took ")
			} else {
				require.Contains(t, got[0], "dns node.example problem: the lookup of node.example failed after ")
			}
		})
	}
	question := <-good.asked
	require.Equal(t, "node.example. TypeA ClassINET", question.Name.String()+" "+question.Type.String()+" "+question.Class.String())
}

// What a failed lookup says of why.
func TestLookupErrors(t *testing.T) {
	silent := newNameServer(t, func(*dnsmessage.Message) [][]byte { return nil })
	for want, server := range map[string]string{
		": there is no such name":                      answers(t, rcode(dnsmessage.RCodeNameError)).address,
		": there is no such name with an IPv4 address": answers(t, aliasOf).address,
		": the server says RCodeServerFailure":         answers(t, rcode(dnsmessage.RCodeServerFailure)).address,
		": there was no answer within 50ms":            silent.address,
		"connection refused":                           unused(t),
	} {
		timeout := maxLookup
		if server == silent.address {
			timeout = 50 * time.Millisecond
		}
		_, err := lookup(t.Context(), "node.example", []netip.AddrPort{netip.MustParseAddrPort(server)}, timeout)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, server)
	}
}

func TestResolvConf(t *testing.T) {
	for text, want := range map[string]string{
		"nameserver 192.0.2.1\nnameserver 2001:db8::1\n":                                                               "192.0.2.1:53 [2001:db8::1]:53",
		"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n nameserver\t192.0.2.3 # x\n":                                  "192.0.2.3:53",
		"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4":                       "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53",
		"nameserver\nnameserver x\nnameserver fe80::1%eth0\nsearch example\nnameserver 300.1.1.1\nnameservers 1.1.1.1": "[fe80::1%eth0]:53",
		"": "",
	} {
		var got []string
		for _, one := range parseResolvConf(text) {
			got = append(got, one.String())
		}
		require.Equal(t, want, strings.Join(got, " "), text)
	}
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nsearch x\n")
	f.Fuzz(func(t *testing.T, text string) { require.LessOrEqual(t, len(parseResolvConf(text)), maxServers) })
}

func FuzzAnswer(f *testing.F) {
	query, err := question4("node.example")
	require.NoError(f, err)
	f.Add(answered(&query, addressOf))
	f.Add(answered(&query, aliasOf))
	f.Add(answered(&query, rcode(dnsmessage.RCodeRefused)))
	f.Fuzz(func(_ *testing.T, message []byte) {
		_ = isAnswer(message, query.ID)
		_ = judgeAnswer(message)
	})
}

// A container reads the host's resolv.conf as the host would: its links are the
// host's, and what they point to is below host.root.
func TestNameServersOfTheHost(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	servers := func() string {
		found, err := all().DNS.nameServers(tr.system(t))
		if err != nil {
			return err.Error()
		}
		var texts []string
		for _, one := range found {
			texts = append(texts, one.String())
		}
		return strings.Join(texts, " ")
	}
	require.Equal(t, "192.0.2.53:53 [2001:db8::53]:53", servers())
	tr.remove(t, "etc/resolv.conf")
	require.Contains(t, servers(), "learn the host's name servers: ")
	tr.link(t, "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
	tr.link(t, "run/systemd/resolve", "/run/resolve.real") // of the host, not of the container
	require.Contains(t, servers(), "learn the host's name servers: ")
	tr.write(t, "run/resolve.real/stub-resolv.conf", "nameserver 192.0.2.99")
	require.Equal(t, "192.0.2.99:53", servers())
	tr.remove(t, "etc/resolv.conf", "run/systemd")
	tr.link(t, "etc/resolv.conf", "/../../run/other/resolv.conf")
	tr.write(t, "run/other/resolv.conf", "nameserver 127.0.0.53")
	require.Equal(t, "127.0.0.53:53", servers())
	tr.remove(t, "proc/sys/net/core/dev_weight")
	require.Equal(t, "the agent is not in the host's network namespace", servers(), "it is another's loopback")
	tr.write(t, "run/other/resolv.conf", "options edns0")
	tr.write(t, "proc/sys/net/core/dev_weight", "64")
	require.Equal(t, "127.0.0.1:53", servers())
	tr.remove(t, "etc/resolv.conf")
	tr.link(t, "etc/resolv.conf", "resolv.conf")
	require.Contains(t, servers(), "learn the host's name servers: ")
}
