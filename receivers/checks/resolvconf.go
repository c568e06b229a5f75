package checks

import (
	"net/netip"
	"strings"
)

// maxServers is how many name servers a resolver takes (MAXNS in resolv.h).
const maxServers = 3

// parseResolvConf returns the name servers in a resolv.conf (resolv.conf(5)).
func parseResolvConf(text string) (servers []netip.AddrPort) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(servers) == maxServers {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(address, dnsPort))
		}
	}
	return servers
}

const dnsPort = 53
