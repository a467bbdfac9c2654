package lsp

import "strings"

// word is a word of the language with what it is for.
type word struct{ name, text string }

// builtinMembers are the members that the language itself defines.
var builtinMembers = [...]word{
	{"isValid", "bool isValid()"},
	{"setValid", "void setValid()"},
	{"setInvalid", "void setInvalid()"},
	{"minSizeInBits", "int minSizeInBits()"},
	{"minSizeInBytes", "int minSizeInBytes()"},
	{"maxSizeInBits", "int maxSizeInBits()"},
	{"maxSizeInBytes", "int maxSizeInBytes()"},
	{"next", "the element after the last extracted one"},
	{"last", "the last extracted element"},
	{"lastIndex", "bit<32> lastIndex"},
	{"size", "int size"},
	{"push_front", "void push_front(int count)"},
	{"pop_front", "void pop_front(int count)"},
	{"apply", "apply(...)"},
	{"hit", "bool hit"},
	{"miss", "bool miss"},
	{"action_run", "the action that ran"},
}

// annotations of the specification, of P4Runtime and of p4nic.
var annotations = [...]word{
	{"name", "the control-plane name of the declaration"},
	{"hidden", "not visible to the control plane"},
	{"tableonly", "the action can be used in entries only"},
	{"defaultonly", "the action can be the default action only"},
	{"optional", "the parameter need not be given"},
	{"pure", "the result depends on the arguments only, and nothing else changes"},
	{"noSideEffects", "nothing but the result and out arguments changes"},
	{"deprecated", "a use draws a warning with the text"},
	{"noWarn", "no warnings of this kind here"},
	{"match", "the match kind of a field of a value set"},
	{"priority", "the priority of an entry"},
	{"atomic", "the block is executed without interleaving"},
	{"unroll", "the loop is to be unrolled"},
	{"nounroll", "the loop is not to be unrolled"},
	{"likely", "the branch is usually taken"},
	{"unlikely", "the branch is seldom taken"},
	{"inline", "to be inlined"},
	{"noinline", "not to be inlined"},
	{"id", "the P4Runtime id"},
	{"alias", "another name for P4Runtime"},
	{"brief", "a short description in P4Info"},
	{"description", "a description in P4Info"},
	{"pkginfo", "what P4Info says of the program"},
	{"controller_header", "the header of packet_in or packet_out"},
	{"p4runtime_translation", "the control plane sees other values"},
	{"max_group_size", "members in a group of the action selector"},
	{"selector_size_semantics", "what the size of an action selector counts"},
	{"entry_restriction", "a constraint on the entries of the table"},
	{"action_restriction", "a constraint on the parameters of the action"},
	{"p4nic_bind", "what the table, key, action or parameter means to p4nic"},
}

// property is a table property; arch is the include file that gives it its
// meaning, "" for the language itself.
type property struct{ name, arch, text string }

var properties = [...]property{
	{"key", "", "what is looked up"},
	{"actions", "", "the actions that entries can have"},
	{"default_action", "", "the action of a miss"},
	{"const default_action", "", "the action of a miss, never changed"},
	{"size", "", "number of entries"},
	{"entries", "", "initial entries"},
	{"const entries", "", "entries that never change"},
	{"largest_priority_wins", "", "order of the priorities of entries"},
	{"priority_delta", "", "step between priorities that are not written"},
	{"counters", "v1model", "direct counter"},
	{"meters", "v1model", "direct meter"},
	{"implementation", "v1model", "action profile or selector"},
	{"support_timeout", "v1model", "entries can have an idle timeout"},
	{"psa_direct_counter", "psa", "direct counter"},
	{"psa_direct_meter", "psa", "direct meter"},
	{"psa_implementation", "psa", "action profile or selector"},
	{"psa_empty_group_action", "psa", "action of a group without members"},
	{"psa_idle_timeout", "psa", "what happens to idle entries"},
	{"pna_direct_counter", "pna", "direct counter"},
	{"pna_direct_meter", "pna", "direct meter"},
	{"pna_implementation", "pna", "action profile or selector"},
	{"pna_empty_group_action", "pna", "action of a group without members"},
	{"pna_idle_timeout", "pna", "what happens to idle entries"},
	{"add_on_miss", "pna", "the program adds entries"},
	{"idle_timeout_with_auto_delete", "pna", "idle entries are deleted"},
	{"default_idle_timeout_for_data_plane_added_entries", "pna", "idle timeout of added entries"},
}

// Words that begin things, by place.
const (
	topWords       = "const typedef type struct header header_union enum error match_kind extern package parser control action"
	statementWords = "if else switch for return exit break continue const"
	controlWords   = "action table const apply"
	parserWords    = "state const value_set"
	typeWords      = "bit int varbit bool string tuple list error void"
	valueWords     = "true false"
	paramWords     = "in out inout"
)

// reserved tells whether a word can be no name.
func reserved(s string) bool {
	const rest = " abstract default do in inout out this transition true false select _ pragma "
	return strings.Contains(" "+topWords+" "+statementWords+" "+typeWords+" table state value_set "+rest, " "+s+" ") && s != "type" && s != "list"
}
