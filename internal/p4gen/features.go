package p4gen

import (
	"slices"
	"sort"
)

// feature is a part of the language that a program has or has not.
type feature int

const (
	fSigned feature = iota
	fWide           // values of more than 64 bits
	fStack
	fUnion
	fUnionStack
	fVarbit // the rest of this group is refused by SSA for now: one refusal hides a program
	fValueSet
	fOddHeader
	fWideShift
	fWideDiv
	fSelector
	fPacketLength
	fEnum
	fSerEnum
	fNewtype
	fTypedef
	fTuple
	fStructs
	fGeneric
	fFunction
	fActionDir
	fSubControl
	fSubParser
	fLoop
	fForIn
	fParserLoop
	fLookahead
	fAdvance
	fVerify
	fReject
	fSwitch
	fExit
	fReturn
	fSat
	fDiv
	fMul
	fShift
	fConcat
	fCompound
	fAggregate // equality and assignment of headers, structs, stacks
	fInvalid   // setValid, setInvalid, {#}
	fRuntimeIndex
	fRegister
	fCounter
	fDirect
	fHash
	fChecksum
	fPayload
	fRandom
	fTime
	fLog
	fDrop
	fTruncate
	fPreproc
	fAnnotation
	fSideEffect
	fKeyCall
	fTwice // a table applied in two places
	fArray
	fCopies // clones, multicast, resubmit, recirculate
	fMeter
	fDigest
	fIdle // idle timeouts
	fShadow
	fWidthSlice // [l +: w]
	numFeatures
)

// featureInfo is a feature's name and in how many percent of the programs it is.
var featureInfo = [numFeatures]struct {
	name    string
	percent int
}{
	fSigned: {"signed", 50}, fWide: {"wide", 45}, fStack: {"stack", 45}, fUnion: {"union", 25}, fUnionStack: {"union-stack", 8},
	fVarbit: {"varbit", 7}, fValueSet: {"value-set", 6}, fOddHeader: {"odd-header", 4}, fWideShift: {"wide-shift", 4},
	fWideDiv: {"wide-div", 4}, fSelector: {"selector", 10}, fPacketLength: {"packet-length", 6},
	fEnum: {"enum", 30}, fSerEnum: {"serializable-enum", 35}, fNewtype: {"newtype", 25}, fTypedef: {"typedef", 50}, fTuple: {"tuple", 25},
	fStructs: {"struct", 60}, fGeneric: {"generic", 25}, fFunction: {"function", 55}, fActionDir: {"action-direction", 50},
	fSubControl: {"sub-control", 50}, fSubParser: {"sub-parser", 35}, fLoop: {"loop", 30}, fForIn: {"for-in", 20}, fParserLoop: {"parser-loop", 60},
	fLookahead: {"lookahead", 40}, fAdvance: {"advance", 25}, fVerify: {"verify", 35}, fReject: {"reject", 25}, fSwitch: {"switch", 50},
	fExit: {"exit", 30}, fReturn: {"return", 40}, fSat: {"saturating", 35}, fDiv: {"division", 30}, fMul: {"multiplication", 60}, fShift: {"shift", 60},
	fConcat: {"concatenation", 55}, fCompound: {"compound-assignment", 45}, fAggregate: {"aggregate", 50}, fInvalid: {"validity", 65},
	fRuntimeIndex: {"runtime-index", 35}, fRegister: {"register", 45}, fCounter: {"counter", 35}, fDirect: {"direct-counter", 35},
	fHash: {"hash", 35}, fChecksum: {"checksum", 35}, fPayload: {"payload-checksum", 4}, fRandom: {"random", 12}, fTime: {"time", 6},
	fLog: {"log", 20}, fDrop: {"drop", 45}, fTruncate: {"truncate", 8}, fPreproc: {"preprocessor", 30}, fAnnotation: {"annotation", 30},
	fSideEffect: {"side-effect", 60}, fKeyCall: {"key-call", 12}, fTwice: {"twice", 8}, fWidthSlice: {"width-slice", 70}, fArray: {"array", 6}, fCopies: {"copies", 12}, fMeter: {"meter", 12}, fDigest: {"digest", 10}, fIdle: {"idle", 10}, fShadow: {"shadow", 15},
}

// draw chooses the features of the program, but for those left out.
func (g *gen) draw(without []string) {
	for f := range g.on {
		g.on[f] = g.chance(featureInfo[f].percent) && !slices.Contains(without, featureInfo[f].name)
	}
	if !g.on[fStack] || !g.on[fUnion] {
		g.on[fUnionStack] = false
	}
	if !g.on[fWide] {
		g.on[fWideShift], g.on[fWideDiv] = false, false
	}
}

// has tells whether the program draws f, and now with the given chance.
func (g *gen) has(f feature, percent int) bool { return g.on[f] && g.chance(percent) }

func (g *gen) features() (names []string) {
	for f, on := range g.on {
		if on {
			names = append(names, featureInfo[f].name)
		}
	}
	sort.Strings(names)
	return names
}
