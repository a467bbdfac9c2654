package main

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelLog reads the kernel's messages.
type kernelLog struct{ fd int }

// openLog opens the log at its present end.
func openLog() (*kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/kmsg: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, fmt.Errorf("/dev/kmsg: %w", err)
	}
	return &kernelLog{fd: fd}, nil
}

// complaints reads what came since the last call and gives the reports of
// faults in it (WARN, BUG, leaked devices), each line of a report for itself.
// Stalls are no faults here: under emulation a busy host is their cause.
func (l *kernelLog) complaints() []string {
	var out []string
	inside := false
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.Read(l.fd, buf)
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR) {
			continue // messages were overwritten before they were read
		}
		if err != nil || n <= 0 {
			return out
		}
		// PRIORITY,SEQUENCE,TIME,FLAGS;TEXT and lines of properties
		_, text, _ := strings.Cut(string(buf[:n]), ";")
		text, _, _ = strings.Cut(text, "\n")
		switch {
		case strings.Contains(text, "[ cut here ]"):
			inside = true
		case strings.HasPrefix(text, "---[ end trace"):
			inside = false
			out = append(out, text)
		case strings.HasPrefix(text, "BUG: ") && !strings.Contains(text, "soft lockup"), strings.HasPrefix(text, "WARNING: "),
			strings.Contains(text, "unregister_netdevice: waiting"):
			out = append(out, text)
			continue
		}
		if inside && len(out) < 200 {
			out = append(out, text)
		}
	}
}
