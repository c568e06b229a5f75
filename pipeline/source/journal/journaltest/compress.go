package journaltest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// compress returns a payload as data objects hold it, and their flags. What cannot be
// made smaller stays.
func compress(t testing.TB, how string, payload []byte) (text []byte, flags byte) {
	t.Helper()
	var err error
	switch how {
	case "xz":
		text, err = compressXZ(payload)
		flags = 1
	case "lz4":
		text, err = compressLZ4(payload)
		flags = 2
	case "zstd":
		var encoder *zstd.Encoder
		if encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true)); err == nil {
			text, flags = encoder.EncodeAll(payload, nil), 4
		}
	default:
		t.Fatalf("no compression is called %q", how)
	}
	if err != nil {
		t.Fatalf("compress with %s: %v", how, err)
	}
	if len(text) == 0 || len(text) >= len(payload) {
		return payload, 0
	}
	return text, flags
}

func compressXZ(payload []byte) ([]byte, error) {
	var text bytes.Buffer
	writer, err := xz.WriterConfig{NoCheckSum: true, DictCap: 1 << 16}.NewWriter(&text)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(payload); err != nil {
		return nil, err
	}
	err = writer.Close()
	return text.Bytes(), err
}

// compressLZ4 makes what systemd calls LZ4: the length before one block.
func compressLZ4(payload []byte) ([]byte, error) {
	text := make([]byte, 8+lz4.CompressBlockBound(len(payload)))
	binary.LittleEndian.PutUint64(text, uint64(len(payload)))
	n, err := lz4.CompressBlock(payload, text[8:], nil)
	if n == 0 {
		return nil, err
	}
	return text[:8+n], err
}
