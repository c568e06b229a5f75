package journalfile

import "encoding/binary"

// lz4Block decompresses one block (lz4_Block_format.md) until room is full or the
// block ends, and returns how many bytes there are. It looks at no more of the block
// than it needs, so that the block may be cut off behind that.
func lz4Block(room, block []byte) (n int, ok bool) {
	for n < len(room) && len(block) > 0 {
		token := block[0]
		literals, rest, ok := lz4Length(int(token>>4), block[1:])
		if !ok {
			return n, false
		}
		take := min(literals, len(room)-n)
		if take > len(rest) {
			return n, false
		}
		n += copy(room[n:], rest[:take])
		if block = rest[take:]; n == len(room) || len(block) == 0 {
			return n, true // the last sequence has literals alone
		}
		if len(block) < 2 {
			return n, false
		}
		distance := int(binary.LittleEndian.Uint16(block))
		length, rest, ok := lz4Length(int(token&15), block[2:])
		if !ok || distance == 0 || distance > n {
			return n, false
		}
		block = rest
		for end := min(n+length+4, len(room)); n < end; { // the two may overlap
			n += copy(room[n:end], room[n-distance:n])
		}
	}
	return n, true
}

// lz4Length reads the rest of a length that begins in a token.
func lz4Length(length int, block []byte) (total int, rest []byte, ok bool) {
	if length < 15 {
		return length, block, true
	}
	for i, b := range block {
		length += int(b)
		if b != 255 {
			return length, block[i+1:], true
		}
	}
	return 0, nil, false
}
