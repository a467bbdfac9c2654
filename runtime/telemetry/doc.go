// Package telemetry is what nicd tells about itself, as typed leaves: the paths,
// their types, and collectors that read the store, the engine, the netdevs and
// the RIB. runtime/gnmi and runtime/metrics are two ways to carry it.
//
// In: a store, an engine's ports, netdevs, routes. Out: frames, which are
// immutable and sorted, so that any number of streams share one collection.
// Must not import: protobuf, adapters, engines.
//
// The files: schema.go is the table of paths; query.go selects from it;
// frame.go and hub.go collect and share; interfaces.go, pipeline.go, entries.go,
// device.go and afts.go are the collectors, one list of OpenConfig or of
// yang/p4nic-pipeline.yang each; links.go reads netdevs.
//
// A collector is read at most once for all who ask at the same time: a stream
// takes the latest frame if it is young enough (Hub.Frame).
package telemetry
