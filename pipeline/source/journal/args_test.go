package journal_test

import (
	"fmt"
	"time"
)

func sinceArg(micros uint64) string { return fmt.Sprintf("--since=@%d.%06d", micros/1e6, micros%1e6) }

func timeOf(micros uint64) time.Time { return time.UnixMicro(int64(micros)) }
