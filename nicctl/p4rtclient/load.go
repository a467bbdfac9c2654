package p4rtclient

import (
	"context"
	"fmt"
	"math/bits"
	"strings"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Pipeline is what a device is to run.
type Pipeline struct {
	Info   *p4config.P4Info
	Device []byte // p4_device_config
}

// LoadOptions of Load.
type LoadOptions struct {
	Fresh  bool // drop the entries of the running pipeline
	Verify bool // change nothing
}

// actions of a Set.
const (
	verify    = p4.SetForwardingPipelineConfigRequest_VERIFY
	fresh     = p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT
	reconcile = p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT
)

// Load sets a pipeline; the client must be primary. Entries are kept, unless
// o.Fresh says otherwise. A device that cannot keep them gets the pipeline
// nevertheless when it has none to lose.
func (c *Client) Load(ctx context.Context, p Pipeline, o LoadOptions) error {
	action := reconcile
	switch {
	case o.Verify:
		action = verify
	case o.Fresh:
		action = fresh
	}
	err := c.set(ctx, action, p)
	if err == nil {
		return nil
	}
	words := status.Convert(err).Message()
	unimplemented := status.Code(err) == codes.Unimplemented
	switch {
	case unimplemented && action == verify:
		return &LimitError{Limit: NoVerify, Words: words}
	case unimplemented && action == fresh: // {SP}, p4rt:F4
		return &LimitError{Limit: OneCommit, Words: words, Remedy: "without --fresh the entries are kept"}
	case action == reconcile && (unimplemented || status.Code(err) == codes.InvalidArgument):
		return c.loadWithoutReconcile(ctx, p, err)
	}
	return c.setError(err, p)
}

// loadWithoutReconcile goes on where RECONCILE_AND_COMMIT was refused: it may be
// missing, or want a pipeline that runs already (p4rt:F6).
func (c *Client) loadWithoutReconcile(ctx context.Context, p Pipeline, refusal error) error {
	missing := status.Code(refusal) == codes.Unimplemented
	info, err := c.P4Info(ctx)
	if err != nil {
		return err
	}
	if info != nil {
		if !missing {
			return c.setError(refusal, p)
		}
		limit := &LimitError{Limit: NoReconcile, Words: status.Convert(refusal).Message()}
		entries, err := c.ReadTables(ctx, NewSchema(info), info.GetTables(), false)
		if err != nil {
			limit.Remedy = fmt.Sprintf("and the entries that would be lost cannot be read (%v): --fresh drops them", err)
			return limit
		}
		n := 0
		for _, e := range entries {
			if !e.Default && !e.Const {
				n++
			}
		}
		if n > 0 {
			limit.Remedy = fmt.Sprintf("%d entries would be lost: --fresh drops them", n)
			return limit
		}
		c.met(NoReconcile)
	}
	if err := c.set(ctx, fresh, p); err != nil {
		return c.setError(err, p)
	}
	return nil
}

// SetPipeline sends one Set; the client must be primary for all but VERIFY.
func (c *Client) SetPipeline(ctx context.Context, action p4.SetForwardingPipelineConfigRequest_Action, info *p4config.P4Info, device []byte) error {
	return c.Explain(c.set(ctx, action, Pipeline{info, device}))
}

func (c *Client) set(ctx context.Context, action p4.SetForwardingPipelineConfigRequest_Action, p Pipeline) error {
	_, err := c.P4RT.SetForwardingPipelineConfig(ctx, &p4.SetForwardingPipelineConfigRequest{
		DeviceId:   c.Device,
		ElectionId: c.id,
		Action:     action,
		Config:     &p4.ForwardingPipelineConfig{P4Info: p.Info, P4DeviceConfig: p.Device},
	})
	return err
}

// setError words a refused Set. Where the refusal speaks of powers of two, the
// tables that are meant are named.
func (c *Client) setError(err error, p Pipeline) error {
	words := strings.ToLower(status.Convert(err).Message())
	if !strings.Contains(words, "power of two") && !strings.Contains(words, "power of 2") && !strings.Contains(words, "powers of two") {
		return c.Explain(err)
	}
	var odd []string
	for _, t := range p.Info.GetTables() {
		if n := t.GetSize(); n > 0 && n&(n-1) != 0 {
			odd = append(odd, fmt.Sprintf("%s has %d (%d would do)", ShortName(t), n, int64(1)<<bits.Len64(uint64(n))))
		}
	}
	return &LimitError{Limit: PowerOfTwo, Words: status.Convert(err).Message(), Remedy: strings.Join(odd, ", ")}
}
