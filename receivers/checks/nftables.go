package checks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// nftTables lists the tables of iptables-nft that have rules, in the agent's network
// namespace. It asks by netlink (nfnetlink: linux/netfilter/nf_tables.h), for which
// the capability NET_ADMIN is needed. A kernel without nftables has none.
func nftTables() (tables []nftTable, err error) {
	var all []nftTable
	err = dumpNFT(unix.NFT_MSG_GETTABLE, unix.NFPROTO_UNSPEC, nil, func(m *syscall.NetlinkMessage) (more bool) {
		if one, ok := parseNFTTable(m); ok {
			all = append(all, one)
		}
		return true
	})
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return nil, nil // the kernel has no nfnetlink, or no nftables
	}
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if !isOfIPTables(one) {
			continue
		}
		has, err := hasNFTRules(one)
		if err != nil {
			return nil, err
		}
		if has {
			tables = append(tables, one)
		}
	}
	return tables, nil
}

// hasNFTRules tells whether a table has a rule. It goes no further than the first.
func hasNFTRules(of nftTable) (has bool, err error) {
	err = dumpNFT(unix.NFT_MSG_GETRULE, of.family, attribute(unix.NFTA_RULE_TABLE, of.name), func(m *syscall.NetlinkMessage) bool {
		has = has || (nftMessage(m) == unix.NFT_MSG_NEWRULE && textAttribute(m.Data, unix.NFTA_RULE_TABLE) == of.name)
		return !has
	})
	return has, err
}

// nftMessage is what kind of message of nftables it is; -1: none.
func nftMessage(m *syscall.NetlinkMessage) int {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES {
		return -1
	}
	return int(m.Header.Type & 0xff)
}

func parseNFTTable(m *syscall.NetlinkMessage) (nftTable, bool) {
	if nftMessage(m) != unix.NFT_MSG_NEWTABLE || len(m.Data) < nfgenSize {
		return nftTable{}, false
	}
	name := textAttribute(m.Data, unix.NFTA_TABLE_NAME)
	return nftTable{family: m.Data[0], name: name}, name != ""
}

// nfgenSize is the size of struct nfgenmsg: family, version, and an id.
const nfgenSize = 4

// attribute writes a netlink attribute that holds a text (struct nlattr: length and
// type, then the text with its end, filled up to 4 bytes).
func attribute(kind uint16, text string) []byte {
	size := unix.SizeofNlAttr + len(text) + 1
	a := make([]byte, (size+3)&^3)
	binary.NativeEndian.PutUint16(a, uint16(size)) //nolint:gosec // names are short
	binary.NativeEndian.PutUint16(a[2:], kind)
	copy(a[unix.SizeofNlAttr:], text)
	return a
}

// textAttribute finds an attribute of a message of nfnetlink; empty: there is none.
func textAttribute(message []byte, kind uint16) string {
	if len(message) < nfgenSize {
		return ""
	}
	for rest := message[nfgenSize:]; len(rest) >= unix.SizeofNlAttr; {
		size := int(binary.NativeEndian.Uint16(rest))
		if size < unix.SizeofNlAttr || size > len(rest) {
			return ""
		}
		if binary.NativeEndian.Uint16(rest[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return unix.ByteSliceToString(rest[unix.SizeofNlAttr:size])
		}
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	return ""
}

// The bounds of an answer: what one datagram may hold, how many there may be, and how
// long each may take.
const (
	maxDatagram  = 64 << 10
	maxDatagrams = 1024
	nftTimeout   = 5 // seconds
)

// dumpNFT asks nftables for a list, and calls f with each message until it wants no
// more.
func dumpNFT(what uint16, family uint8, attributes []byte, f func(*syscall.NetlinkMessage) (more bool)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: nftTimeout}); err != nil {
		return err
	}
	if err := unix.Sendto(fd, nftRequest(what, family, attributes), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, maxDatagram)
	for range maxDatagrams {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			return err
		}
		if done, err := readDump(buffer[:n], f); done || err != nil {
			return err
		}
	}
	return errors.New("the answer has no end")
}

func nftRequest(what uint16, family uint8, attributes []byte) []byte {
	m := make([]byte, unix.NLMSG_HDRLEN+nfgenSize, unix.NLMSG_HDRLEN+nfgenSize+len(attributes))
	m[unix.NLMSG_HDRLEN] = family
	m = append(m, attributes...)
	binary.NativeEndian.PutUint32(m, uint32(len(m))) //nolint:gosec // it is short
	binary.NativeEndian.PutUint16(m[4:], unix.NFNL_SUBSYS_NFTABLES<<8|what)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return m
}

// readDump reads a datagram of an answer; done: it was the last, or f wants no more.
func readDump(datagram []byte, f func(*syscall.NetlinkMessage) (more bool)) (done bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return false, fmt.Errorf("read the kernel's answer: %w", err)
	}
	for i := range messages {
		m := &messages[i]
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, netlinkError(m.Data)
		}
		if !f(m) {
			return true, nil
		}
	}
	return false, nil
}

// netlinkError reads a struct nlmsgerr: the number of the error comes first, negative.
func netlinkError(data []byte) error {
	if len(data) < 4 {
		return errors.New("the kernel's answer is cut")
	}
	errno := -int32(binary.NativeEndian.Uint32(data)) //nolint:gosec // it is signed
	if errno == 0 {
		return nil
	}
	return unix.Errno(errno) //nolint:gosec // see above
}
