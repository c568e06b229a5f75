package hoststat

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// A file system that does not answer costs two seconds a reading, and nothing else; it
// is asked once.
func TestReadingWithAFileSystemThatHangs(t *testing.T) {
	dir := unpack(t, "linux-5.15")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var mu sync.Mutex
		asked := map[string]int{}
		r := recorded(dir)
		r.ask(func(of *mounts.FileSystem) (mounts.Usage, error) {
			mu.Lock()
			asked[of.Point()]++
			mu.Unlock()
			if of.Point() == "/mnt/ssh" {
				<-release
			}
			return mounts.Usage{Total: 2, Used: 1, Free: 1, Available: 1}, nil
		})
		for range 3 {
			began := time.Now()
			n := r.Read(t.Context())
			require.Equal(t, 2*time.Second, time.Since(began))
			require.NoError(t, n.FileSystems.Err)
			require.NoError(t, n.Memory.Err)
			for _, one := range n.FileSystems.Each {
				if one.MountPoint == "/mnt/ssh" {
					require.ErrorContains(t, one.Err, "has not answered for ")
					require.Zero(t, one.Total)
				} else {
					require.NoError(t, one.Err, one.MountPoint)
					require.EqualValues(t, 2, one.Total)
				}
			}
		}
		mu.Lock()
		require.Equal(t, 1, asked["/mnt/ssh"])
		require.Equal(t, 3, asked["/"])
		mu.Unlock()
		require.Equal(t, 1, r.asker.Waiting())
		close(release)
		synctest.Wait()
		require.Zero(t, r.asker.Waiting())
	})
}
