package journalfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const (
	// maxWindow bounds what a payload may ask for to be decompressed: libzstd's
	// levels up to 19 and xz's up to 6 need no more.
	maxWindow = 8 << 20
	// slack is what compression may add to what cannot be compressed.
	slack = 4 << 10
)

// decoder is what decompresses, made when it is needed.
type decoder struct {
	zstd *zstd.Decoder
	text []byte
}

// decompress appends the payload of length bytes at an offset, limit bytes of it at
// most, and tells whether there was more.
func (f *File) decompress(to []byte, offset, length uint64, flags byte, limit int) (got []byte, cut bool, err error) {
	room := f.cache.roomFor(limit + 1)
	var n int
	switch flags & objectCompressed {
	case objectZSTD:
		n, err = f.decompressZSTD(room, offset, length)
	case objectLZ4:
		n, err = f.decompressLZ4(room, offset, length)
	case objectXZ:
		n, err = f.decompressXZ(room, offset, length)
	default:
		err = bad(offset, "a payload compressed in two ways")
	}
	if err != nil {
		return to, false, err
	}
	return append(to, room[:min(n, limit)]...), n > limit, nil
}

// roomFor returns memory that is used again by the next call.
func (c *Cache) roomFor(length int) []byte {
	if len(c.room) < length {
		c.room = make([]byte, length)
	}
	return c.room[:length]
}

// compressed reads a payload as it stands, limit bytes at most.
func (f *File) compressed(offset, length uint64, limit int) ([]byte, error) {
	length = min(length, uint64(limit))                                    //nolint:gosec // not negative
	f.decoder.text = slices.Grow(f.decoder.text[:0], int(length))[:length] //nolint:gosec // bounded by limit
	n, err := f.readAt(f.decoder.text, offset)
	if err == nil && uint64(n) < length { //nolint:gosec // not negative
		err = bad(offset, "a payload behind the end of the file")
	}
	return f.decoder.text, err
}

func (f *File) decompressZSTD(room []byte, offset, length uint64) (int, error) {
	d := &f.decoder
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return 0, fmt.Errorf("set up zstd: %w", err)
		}
	}
	if length <= uint64(len(room)+slack) { //nolint:gosec // not negative
		text, err := f.compressed(offset, length, len(room)+slack)
		if err != nil {
			return 0, err
		}
		var header zstd.Header
		if header.Decode(text) == nil && header.HasFCS && header.FrameContentSize <= uint64(len(room)) {
			got, err := d.zstd.DecodeAll(text, room[:0])
			if err != nil || len(got) > len(room) {
				return 0, bad(offset, "zstd that cannot be decompressed")
			}
			return len(got), nil
		}
	}
	if err := d.zstd.Reset(f.section(offset, length)); err != nil {
		return 0, bad(offset, "zstd that cannot be decompressed")
	}
	defer func() { _ = d.zstd.Reset(nil) }() // lets go of the file
	return fill(d.zstd, room, offset)
}

func (f *File) section(offset, length uint64) io.Reader {
	return io.NewSectionReader(f.file, int64(offset), int64(length)) //nolint:gosec // bounded by the check of the header
}

// fill reads until the room is full or the source ends.
func fill(from io.Reader, room []byte, offset uint64) (int, error) {
	n, err := io.ReadFull(from, room)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, bad(offset, "a payload that cannot be decompressed")
	}
	return n, nil
}

// decompressLZ4 reads what systemd calls LZ4: the length as a number of 64 bits,
// then one block.
func (f *File) decompressLZ4(room []byte, offset, length uint64) (int, error) {
	const prefix = 8
	text, err := f.compressed(offset, length, prefix+len(room)+len(room)/255+slack)
	if err != nil {
		return 0, err
	}
	if len(text) < prefix {
		return 0, bad(offset, "LZ4 without a length")
	}
	want := binary.LittleEndian.Uint64(text)
	n, ok := lz4Block(room, text[prefix:])
	if !ok || uint64(n) != min(want, uint64(len(room))) { //nolint:gosec // not negative
		return 0, bad(offset, "LZ4 that cannot be decompressed")
	}
	return n, nil
}

// decompressXZ reads a stream of xz as lzma_stream_buffer_encode makes it: one
// block, LZMA2 alone.
func (f *File) decompressXZ(room []byte, offset, length uint64) (int, error) {
	head, err := f.compressed(offset, length, xzHead)
	if err != nil {
		return 0, err
	}
	if dictionary, ok := xzDictionary(head); !ok || dictionary > maxWindow {
		return 0, bad(offset, "xz of a kind that journald does not write")
	}
	reader, err := xz.ReaderConfig{DictCap: 1 << 12, SingleStream: true}.NewReader(f.section(offset, length))
	if err != nil {
		return 0, bad(offset, "xz that cannot be decompressed")
	}
	return fill(reader, room, offset)
}

// xzHead is how much of a stream is looked at for the size of its dictionary.
const xzHead = 12 + 40

// xzDictionary returns the size of the dictionary that a stream's first block asks
// for (xz-file-format.txt, 3.1 and 5.3.1), so that a few bytes cannot ask for
// gigabytes of memory.
func xzDictionary(head []byte) (size uint64, ok bool) {
	if len(head) < 20 || !bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")) || head[13]&0x3f != 0 {
		return 0, false
	}
	rest := head[14:]
	for flag := byte(0x40); flag != 0; flag <<= 1 { // the sizes before and after, if there
		if head[13]&flag == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, false
		}
		rest = rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 40 {
		return 0, false
	}
	bits := uint64(rest[2])
	return (2 | bits&1) << (bits/2 + 11), true
}
